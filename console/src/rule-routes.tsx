import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { inShell } from './frame.js';
import { numbersIn, readWhySearch, textsIn } from './parts/search.js';

const policies = createRoute({
  getParentRoute: inShell,
  path: '/policies',
  validateSearch: (given: Record<string, unknown>) => textsIn(given, ['namePrefix']),
  component: lazyRouteComponent(() => import('./pages-policies/policies.js'), 'PoliciesPage'),
});
const newPolicy = createRoute({
  getParentRoute: inShell,
  path: '/policies/new',
  component: lazyRouteComponent(() => import('./pages-policies/editor.js'), 'NewPolicyPage'),
});
const policy = createRoute({
  getParentRoute: inShell,
  path: '/policies/$name',
  component: lazyRouteComponent(() => import('./pages-policies/policy.js'), 'PolicyPage'),
});
const inPolicy = () => policy;
const policyDocument = createRoute({
  getParentRoute: inPolicy,
  path: '/',
  component: lazyRouteComponent(() => import('./pages-policies/policy.js'), 'PolicyDocumentPage'),
});
const editPolicy = createRoute({
  getParentRoute: inPolicy,
  path: '/edit',
  component: lazyRouteComponent(() => import('./pages-policies/editor.js'), 'EditPolicyPage'),
});
const policyVersions = createRoute({
  getParentRoute: inPolicy,
  path: '/versions',
  validateSearch: (given: Record<string, unknown>) => numbersIn(given, ['from', 'to']),
  component: lazyRouteComponent(() => import('./pages-policies/versions.js'), 'PolicyVersionsPage'),
});
const simulate = createRoute({
  getParentRoute: inPolicy,
  path: '/simulate',
  validateSearch: (given: Record<string, unknown>) => numbersIn(given, ['version']),
  component: lazyRouteComponent(() => import('./pages-policies/simulate.js'), 'SimulatePage'),
});
const policyInAws = createRoute({
  getParentRoute: inPolicy,
  path: '/aws',
  component: lazyRouteComponent(() => import('./pages-policies/aws.js'), 'PolicyAwsPage'),
});
const pipelines = createRoute({
  getParentRoute: inShell,
  path: '/pipelines',
  validateSearch: (given: Record<string, unknown>) => textsIn(given, ['namePrefix']),
  component: lazyRouteComponent(() => import('./pages-pipelines/pipelines.js'), 'PipelinesPage'),
});
const newPipeline = createRoute({
  getParentRoute: inShell,
  path: '/pipelines/new',
  component: lazyRouteComponent(() => import('./pages-pipelines/editor.js'), 'NewPipelinePage'),
});
const pipeline = createRoute({
  getParentRoute: inShell,
  path: '/pipelines/$name',
  component: lazyRouteComponent(() => import('./pages-pipelines/pipeline.js'), 'PipelinePage'),
});
const inPipeline = () => pipeline;
const pipelineDocument = createRoute({
  getParentRoute: inPipeline,
  path: '/',
  component: lazyRouteComponent(() => import('./pages-pipelines/pipeline.js'), 'PipelineDocumentPage'),
});
const editPipeline = createRoute({
  getParentRoute: inPipeline,
  path: '/edit',
  component: lazyRouteComponent(() => import('./pages-pipelines/editor.js'), 'EditPipelinePage'),
});
const pipelineVersions = createRoute({
  getParentRoute: inPipeline,
  path: '/versions',
  validateSearch: (given: Record<string, unknown>) => numbersIn(given, ['from', 'to']),
  component: lazyRouteComponent(() => import('./pages-pipelines/versions.js'), 'PipelineVersionsPage'),
});
const simulatePipeline = createRoute({
  getParentRoute: inPipeline,
  path: '/simulate',
  validateSearch: (given: Record<string, unknown>) => numbersIn(given, ['version']),
  component: lazyRouteComponent(() => import('./pages-pipelines/simulate.js'), 'SimulatePipelinePage'),
});
const commandSchemas = createRoute({
  getParentRoute: inShell,
  path: '/command-schemas',
  component: lazyRouteComponent(() => import('./pages-commands/schemas.js'), 'CommandSchemasPage'),
});
const why = createRoute({
  getParentRoute: inShell,
  path: '/why',
  validateSearch: readWhySearch,
  component: lazyRouteComponent(() => import('./pages-policies/why.js'), 'WhyPage'),
});

/** The pages of what things may do, and of what is made of their messages. */
export const ruleRoutes = [
  policies,
  newPolicy,
  policy.addChildren([policyDocument, editPolicy, policyVersions, simulate, policyInAws]),
  pipelines,
  newPipeline,
  pipeline.addChildren([pipelineDocument, editPipeline, pipelineVersions, simulatePipeline]),
  commandSchemas,
  why,
] as const;
