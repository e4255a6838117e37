import { z } from 'zod';

/** AuthZEN Authorization API 1.0. Members that are not known are ignored, as it asks. */
const anything = z.record(z.string(), z.unknown());
const type = z.string().max(256);
const properties = anything
  .optional()
  .describe('Attributes that the caller adds. Those of a thing come from the registry: these never widen a decision');

const subject = z.looseObject({
  type: type.describe('`thing`; of any other type nobody is known'),
  id: z.string().max(1024).describe('The name of the thing'),
  properties,
});
const action = z.looseObject({
  name: z.string().max(256),
  properties: anything.optional().describe('`retain` and `qos` of a publication are read, as in `context`'),
});
const resource = z.looseObject({
  type: type.describe('`topic`, `client`, `http` or `endpoint`'),
  id: z.string().max(70_000),
  properties: anything.optional().describe('Ignored'),
});
const context = anything
  .optional()
  .describe('`sourceIp`, `protocol`, `clientId`, `retain` and `qos` are read; anything else is ignored');

/** One question. */
export const evaluation = z.looseObject({ subject, action, resource, context });

/** One answer. */
export const evaluationAnswer = z.object({
  decision: z.boolean(),
  context: anything.optional().describe('`reasons`, `validUntil`, and `error` where it could not be decided'),
});

/** What one of many says itself; what it leaves out is the same for all. */
const partial = z.looseObject({
  subject: subject.optional(),
  action: action.optional(),
  resource: resource.optional(),
  context,
});

const mostEvaluations = 1000;
const options = z
  .looseObject({
    evaluations_semantic: z
      .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
      .optional()
      .describe('By default execute_all; the others stop at the first answer of their kind'),
  })
  .optional();

/** Several questions, as they are documented. */
export const evaluations = partial.extend({
  evaluations: z.array(partial).max(mostEvaluations).optional(),
  options,
});

/** The same as they are read: each of them is judged on its own, so that one does not affect another. */
export const evaluationsAsRead = evaluations.extend({
  evaluations: z.array(z.unknown()).max(mostEvaluations).optional(),
});

export const evaluationsAnswer = z.union([z.object({ evaluations: z.array(evaluationAnswer) }), evaluationAnswer]);

/** Where the endpoints are (AuthZEN 1.0, Policy Decision Point Metadata). */
export const configuration = z.object({
  policy_decision_point: z.url(),
  access_evaluation_endpoint: z.url(),
  access_evaluations_endpoint: z.url(),
  search_subject_endpoint: z.url(),
  search_action_endpoint: z.url(),
  search_resource_endpoint: z.url(),
});

export type Evaluation = z.output<typeof evaluation>;
export type EvaluationAnswer = z.output<typeof evaluationAnswer>;
export type Evaluations = z.output<typeof evaluationsAsRead>;

const page = z
  .looseObject({
    token: z.string().max(1024).optional().describe('The `next_token` of the page before'),
    limit: z.int().min(0).optional().describe('The most results on a page; 100 by default, and never over 1,000'),
    properties: anything.optional(),
  })
  .optional();
const anySubject = z.looseObject({ type, properties }).describe('Its `id` is ignored');
const anyResource = z.looseObject({ type, properties: anything.optional() }).describe('Its `id` is ignored');

/** The searches: what is looked for has a type alone. */
export const subjectSearch = z.looseObject({ subject: anySubject, action, resource, context, page });
export const actionSearch = z.looseObject({ subject, resource, context, page });
export const resourceSearch = z.looseObject({ subject, action, resource: anyResource, context, page });

const answeredPage = z.object({
  next_token: z.string().describe('Empty at the end'),
  count: z.int().describe('Of the results on this page'),
});
export const entitiesAnswer = z.object({
  page: answeredPage,
  results: z.array(z.object({ type: z.string(), id: z.string() })),
});
export const actionsAnswer = z.object({ page: answeredPage, results: z.array(z.object({ name: z.string() })) });

export type Page = z.output<typeof page>;
export type SubjectSearch = z.output<typeof subjectSearch>;
export type ActionSearch = z.output<typeof actionSearch>;
export type ResourceSearch = z.output<typeof resourceSearch>;
