import { numberForm, pageOf, placeIn, spanOf, timeForm, uuidForm } from '../api/paging.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentCampaign, presentMember } from './presenter.js';
import * as schema from './schema.js';
import type { CampaignService } from './service.js';

const tags = ['campaigns'];
const acts = (body: unknown): boolean => (body as { dryRun?: boolean }).dryRun !== true;

/** The routes of `/v1/campaigns`. */
export function campaignRoutes(service: CampaignService) {
  return async (app: App) => {
    app.post(
      '/v1/campaigns',
      {
        config: { access: 'things:write', needs: ['things:read'], cost: 'heavy', stepUp: acts },
        schema: {
          operationId: 'createCampaign',
          summary: 'Do something to every thing of a group or query, in waves; dryRun says to which',
          description:
            'Needs things:write and things:read, and with attach and detach policies:attach too, now and for as long as it runs. Its things are found once, when it begins.',
          tags,
          body: schema.newCampaign,
          response: { 200: schema.campaignPreview, 201: schema.campaign },
        },
      },
      async (request, reply) => {
        const { body } = request;
        if (body.dryRun) return service.preview(grantee(request), body);
        const campaign = await service.create(grantee(request), body, originOf(request));
        return reply.code(201).header('location', `/v1/campaigns/${campaign.id}`).send(presentCampaign(campaign));
      },
    );

    app.get(
      '/v1/campaigns',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listCampaigns',
          summary: 'List campaigns, newest first',
          tags,
          querystring: schema.campaignQuery,
          response: { 200: schema.campaignPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`campaigns ${account}`, query);
        const [at, id] = place.after(timeForm, uuidForm) ?? [];
        const before = at === undefined ? undefined : { at: new Date(at), id: id! };
        const rows = await service.list(account, query, before, query.limit + 1);
        return pageOf(rows, place, (row) => [row.createdAt.toISOString(), row.id], presentCampaign);
      },
    );

    app.get(
      '/v1/campaigns/:id',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getCampaign',
          summary: 'Read a campaign and its progress',
          tags,
          params: schema.campaignParams,
          response: { 200: schema.campaign },
        },
      },
      async (request) => presentCampaign(await service.get(grantee(request).account, request.params.id)),
    );

    app.get(
      '/v1/campaigns/:id/things',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listCampaignThings',
          summary: 'What became of each thing of a campaign',
          tags,
          params: schema.campaignParams,
          querystring: schema.campaignThingQuery,
          response: { 200: schema.campaignThingPage },
        },
      },
      async (request) => {
        const { params, query } = request;
        const place = placeIn(`campaign ${params.id}`, query);
        const { after, limit } = spanOf(place, numberForm);
        const { account } = grantee(request);
        const from = Math.min(Number(after ?? 0), schema.mostOrdinal);
        const rows = await service.things(account, params.id, query.state, from, limit);
        return pageOf(rows, place, ({ ordinal }) => String(ordinal), presentMember);
      },
    );
    turningRoutes(app, service);
  };
}

function turningRoutes(app: App, service: CampaignService): void {
  app.post(
    '/v1/campaigns/:id/pause',
    {
      config: { access: 'things:write' },
      schema: {
        operationId: 'pauseCampaign',
        summary: 'Pause a campaign: no further thing is touched, and no device is asked',
        tags,
        params: schema.campaignParams,
        response: { 200: schema.campaign },
      },
    },
    async (request) =>
      presentCampaign(await service.pause(grantee(request).account, request.params.id, originOf(request))),
  );

  app.post(
    '/v1/campaigns/:id/resume',
    {
      config: { access: 'things:write', stepUp: true },
      schema: {
        operationId: 'resumeCampaign',
        summary: 'Go on with a paused campaign, by the permissions of the caller',
        description: 'Needs policies:attach too where it attaches or detaches.',
        tags,
        params: schema.campaignParams,
        response: { 200: schema.campaign },
      },
    },
    async (request) => presentCampaign(await service.resume(grantee(request), request.params.id, originOf(request))),
  );

  app.post(
    '/v1/campaigns/:id/cancel',
    {
      config: { access: 'things:write' },
      schema: {
        operationId: 'cancelCampaign',
        summary: 'End a campaign where it is; what is done stays',
        tags,
        params: schema.campaignParams,
        response: { 200: schema.campaign },
      },
    },
    async (request) =>
      presentCampaign(await service.cancel(grantee(request).account, request.params.id, originOf(request))),
  );
}
