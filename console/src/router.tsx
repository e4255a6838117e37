import { createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { inShell, root, shell, signIn, welcome } from './frame.js';
import { OverviewPage } from './pages/overview.js';
import { ruleRoutes } from './rule-routes.js';
import { textsIn } from './parts/search.js';
import {
  readAlertSearch,
  readAuditSearch,
  readCertificateSearch,
  readCommandLineSearch,
  readDecisionSearch,
  readDeliverySearch,
  readThingSearch,
} from './parts/searches.js';

const overview = createRoute({ getParentRoute: inShell, path: '/', component: OverviewPage });
const things = createRoute({
  getParentRoute: inShell,
  path: '/things',
  validateSearch: readThingSearch,
  component: lazyRouteComponent(() => import('./pages/things.js'), 'ThingsPage'),
});
const thing = createRoute({
  getParentRoute: inShell,
  path: '/things/$name',
  component: lazyRouteComponent(() => import('./pages/thing.js'), 'ThingPage'),
});
const waiting = createRoute({
  getParentRoute: inShell,
  path: '/waiting',
  component: lazyRouteComponent(() => import('./pages/waiting.js'), 'WaitingPage'),
});
const commandLine = createRoute({
  getParentRoute: inShell,
  path: '/command-line',
  validateSearch: readCommandLineSearch,
  component: lazyRouteComponent(() => import('./pages/command-line.js'), 'CommandLinePage'),
});
const me = createRoute({
  getParentRoute: inShell,
  path: '/me',
  component: lazyRouteComponent(() => import('./pages/me.js'), 'MePage'),
});

const enroll = createRoute({
  getParentRoute: inShell,
  path: '/enroll',
  component: lazyRouteComponent(() => import('./pages-enroll/enrollments.js'), 'EnrollmentsPage'),
});
const newEnrollment = createRoute({
  getParentRoute: inShell,
  path: '/enroll/new',
  component: lazyRouteComponent(() => import('./pages-enroll/wizard.js'), 'EnrollPage'),
});
const newAuthority = createRoute({
  getParentRoute: inShell,
  path: '/enroll/authority',
  component: lazyRouteComponent(() => import('./pages-enroll/authority.js'), 'AuthorityPage'),
});
const enrollment = createRoute({
  getParentRoute: inShell,
  path: '/enroll/$id',
  component: lazyRouteComponent(() => import('./pages-enroll/enrollment.js'), 'EnrollmentPage'),
});

const groups = createRoute({
  getParentRoute: inShell,
  path: '/groups',
  component: lazyRouteComponent(() => import('./pages-fleet/groups.js'), 'GroupsPage'),
});
const group = createRoute({
  getParentRoute: inShell,
  path: '/groups/$name',
  component: lazyRouteComponent(() => import('./pages-fleet/group.js'), 'GroupPage'),
});
const campaigns = createRoute({
  getParentRoute: inShell,
  path: '/campaigns',
  component: lazyRouteComponent(() => import('./pages-fleet/campaigns.js'), 'CampaignsPage'),
});
const newCampaign = createRoute({
  getParentRoute: inShell,
  path: '/campaigns/new',
  validateSearch: (given: Record<string, unknown>) => textsIn(given, ['group']),
  component: lazyRouteComponent(() => import('./pages-fleet/campaign-form.js'), 'NewCampaignPage'),
});
const campaign = createRoute({
  getParentRoute: inShell,
  path: '/campaigns/$id',
  component: lazyRouteComponent(() => import('./pages-fleet/campaign.js'), 'CampaignPage'),
});

const certificates = createRoute({
  getParentRoute: inShell,
  path: '/certificates',
  validateSearch: readCertificateSearch,
  component: lazyRouteComponent(() => import('./pages-operate/certificates.js'), 'CertificatesPage'),
});
const bulk = createRoute({
  getParentRoute: inShell,
  path: '/revoke',
  component: lazyRouteComponent(() => import('./pages-operate/bulk.js'), 'BulkRevokePage'),
});
const decisions = createRoute({
  getParentRoute: inShell,
  path: '/decisions',
  validateSearch: readDecisionSearch,
  component: lazyRouteComponent(() => import('./pages-operate/decisions.js'), 'DecisionsPage'),
});
const edges = createRoute({
  getParentRoute: inShell,
  path: '/edges',
  component: lazyRouteComponent(() => import('./pages-operate/edges.js'), 'EdgesPage'),
});
const edge = createRoute({
  getParentRoute: inShell,
  path: '/edges/$id',
  component: lazyRouteComponent(() => import('./pages-operate/edge.js'), 'EdgePage'),
});
const segments = createRoute({
  getParentRoute: inShell,
  path: '/segments',
  component: lazyRouteComponent(() => import('./pages-operate/segments.js'), 'SegmentsPage'),
});
const segment = createRoute({
  getParentRoute: inShell,
  path: '/segments/$name',
  component: lazyRouteComponent(() => import('./pages-operate/segment.js'), 'SegmentPage'),
});
const issuers = createRoute({
  getParentRoute: inShell,
  path: '/issuers',
  component: lazyRouteComponent(() => import('./pages-operate/issuers.js'), 'IssuersPage'),
});
const audit = createRoute({
  getParentRoute: inShell,
  path: '/audit',
  validateSearch: readAuditSearch,
  component: lazyRouteComponent(() => import('./pages-operate/audit.js'), 'AuditPage'),
});
const aws = createRoute({
  getParentRoute: inShell,
  path: '/aws',
  component: lazyRouteComponent(() => import('./pages-admin/aws.js'), 'AwsPage'),
});
const people = createRoute({
  getParentRoute: inShell,
  path: '/people',
  component: lazyRouteComponent(() => import('./pages-admin/people.js'), 'PeoplePage'),
});
const providers = createRoute({
  getParentRoute: inShell,
  path: '/providers',
  component: lazyRouteComponent(() => import('./pages-admin/providers.js'), 'ProvidersPage'),
});
const keys = createRoute({
  getParentRoute: inShell,
  path: '/keys',
  component: lazyRouteComponent(() => import('./pages-admin/keys.js'), 'KeysPage'),
});
const settings = createRoute({
  getParentRoute: inShell,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages-admin/settings.js'), 'SettingsPage'),
});

const alerts = createRoute({
  getParentRoute: inShell,
  path: '/alerts',
  component: lazyRouteComponent(() => import('./pages-alerts/alerts.js'), 'AlertsPage'),
});
const inAlerts = () => alerts;
const alertList = createRoute({
  getParentRoute: inAlerts,
  path: '/',
  validateSearch: readAlertSearch,
  component: lazyRouteComponent(() => import('./pages-alerts/alerts.js'), 'AlertListPage'),
});
const alertRules = createRoute({
  getParentRoute: inAlerts,
  path: '/rules',
  component: lazyRouteComponent(() => import('./pages-alerts/rules.js'), 'RulesPage'),
});
const alertChannels = createRoute({
  getParentRoute: inAlerts,
  path: '/channels',
  component: lazyRouteComponent(() => import('./pages-alerts/channels.js'), 'ChannelsPage'),
});
const webhooks = createRoute({
  getParentRoute: inShell,
  path: '/webhooks',
  component: lazyRouteComponent(() => import('./pages-alerts/webhooks.js'), 'WebhooksPage'),
});
const webhook = createRoute({
  getParentRoute: inShell,
  path: '/webhooks/$id',
  validateSearch: readDeliverySearch,
  component: lazyRouteComponent(() => import('./pages-alerts/webhook.js'), 'WebhookPage'),
});

/** The pages, below /console. */
export const router = createRouter({
  routeTree: root.addChildren([
    welcome,
    signIn,
    shell.addChildren([
      overview,
      things,
      thing,
      waiting,
      commandLine,
      me,
      ...ruleRoutes,
      enroll,
      newEnrollment,
      newAuthority,
      enrollment,
      groups,
      group,
      campaigns,
      newCampaign,
      campaign,
      certificates,
      bulk,
      decisions,
      edges,
      edge,
      segments,
      segment,
      issuers,
      alerts.addChildren([alertList, alertRules, alertChannels]),
      webhooks,
      webhook,
      audit,
      aws,
      people,
      providers,
      keys,
      settings,
    ]),
  ]),
  basepath: '/console',
  scrollRestoration: false,
  defaultPreload: 'intent',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
