import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ProblemNote } from './problem.js';
import { Skeleton, Table } from './shown.js';

type PageOf<Item> = { items: Item[]; nextCursor?: string; total?: number; totalIsMinimum?: true };
type Read<Item> = (cursor: { cursor?: string }, signal: AbortSignal) => Promise<PageOf<Item>>;

/** A list that the server gives in pages: those read so far, and what reads the next one. */
export type Pages<Item> = {
  items: Item[] | undefined;
  error: unknown;
  isFetching: boolean;
  more: (() => void) | undefined;
};

/** Reads a list page by page, as somebody asks for more; again after some milliseconds, where `againMs` says so for what is shown. */
export function usePages<Item>(
  key: readonly unknown[],
  read: Read<Item>,
  againMs?: (items: Item[]) => number | false,
): Pages<Item> {
  const { data, error, isFetching, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => read(pageParam === undefined ? {} : { cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
    refetchInterval: ({ state: { data: known } }) =>
      againMs?.(known?.pages.flatMap(({ items }) => items) ?? []) ?? false,
  });
  return {
    items: data?.pages.flatMap(({ items }) => items),
    error,
    isFetching,
    more: hasNextPage ? () => void fetchNextPage() : undefined,
  };
}

type Rows<Item> = {
  label: string;
  head: string[];
  list: Pages<Item>;
  empty: ReactNode;
  row(item: Item): ReactNode;
};

/** The rows of a list, or what stands for them: a problem, a skeleton, or what to do where there is none. */
export function Listed<Item>({ label, head, list: { items, error, isFetching, more }, empty, row }: Rows<Item>) {
  return (
    <>
      <ProblemNote error={error} />
      {items === undefined && !error ? <Skeleton lines={6} /> : null}
      {items?.length === 0 ? empty : null}
      {items && items.length > 0 ? (
        <div className="card" aria-busy={isFetching}>
          <Table label={label} head={head}>
            {items.map(row)}
          </Table>
          {more === undefined ? null : (
            <div className="acts">
              <button type="button" disabled={isFetching} onClick={more}>
                Show more
              </button>
              <small>{items.length.toLocaleString()} shown</small>
            </div>
          )}
        </div>
      ) : null}
    </>
  );
}
