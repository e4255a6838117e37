import { z } from 'zod';
import { named } from '../../api/named.js';

/** AuthZEN Authorization API 1.0. Members that are not known are ignored, as it asks. */
const anything = z.record(z.string(), z.unknown());
const type = z.string().max(256);
const properties = anything
  .optional()
  .describe('Attributes that the caller adds. Those of a thing come from the registry: these never widen a decision');
const asType = '`thing`; of any other type nobody is known';
const asResourceType = '`topic`, `client`, `http` or `endpoint`';

const subject = named(
  'AuthzenSubject',
  'Who is asked about',
  z.looseObject({
    type: type.describe(asType),
    id: z.string().max(1024).describe('The name of the thing'),
    properties,
  }),
);
const action = named(
  'AuthzenAction',
  'What the device wants to do',
  z.looseObject({
    name: z.string().max(256).describe('The action, such as `publish`'),
    properties: anything.optional().describe('`retain` and `qos` of a publication are read, as in `context`'),
  }),
);
const resource = named(
  'AuthzenResource',
  'What it is done to',
  z.looseObject({
    type: type.describe(asResourceType),
    id: z.string().max(70_000).describe('The name of the resource, such as a topic'),
    properties: anything.optional().describe('Ignored'),
  }),
);
const context = anything
  .optional()
  .describe('`sourceIp`, `protocol`, `clientId`, `retain` and `qos` are read; anything else is ignored');

const asked = {
  subject: { type: 'thing', id: 'pump-17' },
  action: { name: 'publish' },
  resource: { type: 'topic', id: 'acme/pump-17/telemetry' },
};

/** One question. */
export const evaluation = named(
  'AuthzenEvaluation',
  'One question',
  z.looseObject({ subject, action, resource, context }),
).meta({ examples: [asked] });

/** One answer. */
export const evaluationAnswer = named(
  'AuthzenDecision',
  'One answer',
  z.object({
    decision: z.boolean().describe('Whether it is allowed'),
    context: anything.optional().describe('`reasons`, `validUntil`, and `error` where it could not be decided'),
  }),
);

/** What one of many says itself; what it leaves out is the same for all. */
const partial = named(
  'AuthzenPartialEvaluation',
  'One of several questions; what it leaves out is the same for all',
  z.looseObject({
    subject: subject.optional(),
    action: action.optional(),
    resource: resource.optional(),
    context,
  }),
);

const mostEvaluations = 1000;
const options = named(
  'AuthzenOptions',
  'How several questions are answered',
  z.looseObject({
    evaluations_semantic: z
      .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
      .optional()
      .describe('By default execute_all; the others stop at the first answer of their kind'),
  }),
).optional();

/** Several questions, as they are documented. */
export const evaluations = named(
  'AuthzenEvaluations',
  'Several questions; members beside `evaluations` count for all that lack them',
  partial.extend({
    evaluations: z.array(partial).max(mostEvaluations).optional().describe('The questions, at most 1,000'),
    options,
  }),
).meta({ examples: [{ ...asked, evaluations: [{}, { action: { name: 'subscribe' } }] }] });

/** The same as they are read: each of them is judged on its own, so that one does not affect another. */
export const evaluationsAsRead = evaluations.extend({
  evaluations: z.array(z.unknown()).max(mostEvaluations).optional(),
});

export const evaluationsAnswer = named(
  'AuthzenAnswer',
  'Several answers, or one where one question was asked',
  z.union([
    named(
      'AuthzenDecisions',
      'Several answers',
      z.object({ evaluations: z.array(evaluationAnswer).describe('The answers, in the order of the questions') }),
    ),
    evaluationAnswer,
  ]),
);

/** Where the endpoints are (AuthZEN 1.0, Policy Decision Point Metadata). */
export const configuration = named(
  'AuthzenConfiguration',
  'Where the AuthZEN endpoints are',
  z.object({
    policy_decision_point: z.url().describe('The address of this server'),
    access_evaluation_endpoint: z.url().describe('Where one question is asked'),
    access_evaluations_endpoint: z.url().describe('Where several questions are asked'),
    search_subject_endpoint: z.url().describe('Where things are searched'),
    search_action_endpoint: z.url().describe('Where actions are searched'),
    search_resource_endpoint: z.url().describe('Where resources are searched'),
  }),
);

export type Evaluation = z.output<typeof evaluation>;
export type EvaluationAnswer = z.output<typeof evaluationAnswer>;
export type Evaluations = z.output<typeof evaluationsAsRead>;

const page = named(
  'AuthzenPage',
  'Which results are asked for',
  z.looseObject({
    token: z.string().max(1024).optional().describe('The `next_token` of the page before'),
    limit: z.int().min(0).optional().describe('The most results on a page; 100 by default, and never over 1,000'),
    properties: anything.optional().describe('Ignored'),
  }),
).optional();
const anySubject = named(
  'AuthzenAnySubject',
  'The type of the subjects that are searched. Its `id` is ignored',
  z.looseObject({ type: type.describe(asType), properties }),
);
const anyResource = named(
  'AuthzenAnyResource',
  'The type of the resources that are searched. Its `id` is ignored',
  z.looseObject({ type: type.describe(asResourceType), properties: anything.optional().describe('Ignored') }),
);

/** The searches: what is looked for has a type alone. */
export const subjectSearch = named(
  'AuthzenSubjectSearch',
  'Who may do this?',
  z.looseObject({ subject: anySubject, action, resource, context, page }),
).meta({ examples: [{ ...asked, subject: { type: 'thing' } }] });
export const actionSearch = named(
  'AuthzenActionSearch',
  'What may this thing do to that?',
  z.looseObject({ subject, resource, context, page }),
).meta({ examples: [{ subject: asked.subject, resource: asked.resource }] });
export const resourceSearch = named(
  'AuthzenResourceSearch',
  'To what may this thing do that?',
  z.looseObject({ subject, action, resource: anyResource, context, page }),
).meta({ examples: [{ ...asked, resource: { type: 'topic' } }] });

const answeredPage = named(
  'AuthzenAnsweredPage',
  'Where the next results are',
  z.object({
    next_token: z.string().describe('Empty at the end'),
    count: z.int().describe('Of the results on this page'),
  }),
);
const pageOf = <Item extends z.ZodType>(item: Item) => ({
  page: answeredPage,
  results: z.array(item).describe('What was found'),
});
export const entitiesAnswer = named(
  'AuthzenEntities',
  'Subjects or resources that were found',
  z.object(
    pageOf(
      named(
        'AuthzenEntity',
        'A subject or resource',
        z.object({ type: z.string().describe('Its type'), id: z.string().describe('Its name') }),
      ),
    ),
  ),
);
export const actionsAnswer = named(
  'AuthzenActions',
  'Actions that were found',
  z.object(pageOf(named('AuthzenFoundAction', 'An action', z.object({ name: z.string().describe('The action') })))),
);

export type Page = z.output<typeof page>;
export type SubjectSearch = z.output<typeof subjectSearch>;
export type ActionSearch = z.output<typeof actionSearch>;
export type ResourceSearch = z.output<typeof resourceSearch>;
