import type { paths } from './generated/api.js';

/** The methods of the API. */
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The paths that have a method. */
export type PathWith<M extends Method> = {
  [Path in keyof paths]: paths[Path] extends Record<M, { responses: object }> ? Path : never;
}[keyof paths] &
  string;

type Operation<Path extends keyof paths, M extends Method> = paths[Path][M & keyof paths[Path]];
type Parameters<Op> = Op extends { parameters: infer P } ? P : never;

type PathInput<Op> = Parameters<Op> extends { path: infer P } ? { path: P } : unknown;
type QueryInput<Op> =
  Parameters<Op> extends { query?: infer Q }
    ? [Q] extends [undefined]
      ? unknown
      : { query?: NonNullable<Q> }
    : unknown;
type BodyInput<Op> = Op extends { requestBody: { content: infer C } }
  ? { body: C[keyof C] }
  : Op extends { requestBody?: { content: infer C } }
    ? { body?: C[keyof C] }
    : unknown;

/** What an operation is given, besides what any may be given. */
export type Input<Path extends keyof paths, M extends Method> = PathInput<Operation<Path, M>> &
  QueryInput<Operation<Path, M>> &
  BodyInput<Operation<Path, M>> & {
    /** The ETag that the object must still have. */
    ifMatch?: string;
    /** Instead of a random one: 22 to 200 characters, the same for the same request. */
    idempotencyKey?: string;
    signal?: AbortSignal;
  };

/** An argument that may be left out if nothing in it is needed. */
export type OptionalIf<T> = Partial<T> extends T ? [input?: T] : [input: T];

type Success = 200 | 201 | 202 | 203;
type Content<A> = A extends { content: infer C } ? C[keyof C] : undefined;

/** What an operation resolves with. */
export type AnswerOf<Path extends keyof paths, M extends Method> =
  Operation<Path, M> extends { responses: infer R }
    ? Success & keyof R extends never
      ? undefined
      : Content<R[Success & keyof R]>
    : never;

/** The lists that come in pages. */
export type Paged = {
  [Path in PathWith<'get'>]: AnswerOf<Path, 'get'> extends { items: unknown[]; nextCursor?: string } ? Path : never;
}[PathWith<'get'>];

/** What a list consists of. */
export type ItemOf<Path extends Paged> = AnswerOf<Path, 'get'> extends { items: (infer Item)[] } ? Item : never;
