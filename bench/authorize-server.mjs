import { buildApp } from '../dist/app.js';
import { question } from '../dist/authorize/schema.js';
import { replyTo } from '../dist/authorize/reply.js';
import { systemClock } from '../dist/clock.js';
import { loadConfig } from '../dist/config.js';
import { compileSchema } from '../dist/http/schema-compiler.js';
import { createLogger } from '../dist/logging.js';
import { openResources } from '../dist/resources.js';

/**
 * The server, with two routes more: one that answers authorize's body with a constant, after the same caller check
 * and the same schema, and one that verifies the token too.
 */
const config = loadConfig();
const resources = await openResources(config);
const app = await buildApp({
  config,
  services: resources.services,
  clock: systemClock,
  logger: createLogger('warn'),
});
const reply = replyTo({
  allowed: false,
  refusal: 'no-matching-statement',
  statement: undefined,
  validUntil: Date.now(),
  refresh: false,
  limits: undefined,
  cursor: resources.services.log.cursor(),
});
const options = {
  config: { access: 'authorize:query', cost: 'free' },
  validatorCompiler: compileSchema,
  schema: { body: question },
};
app.post(
  '/bench/constant',
  options,
  (_request, answer) => void answer.type('application/json; charset=utf-8').send(reply),
);
app.post('/bench/verify', options, (request, answer) => {
  const { token } = request.body.principal;
  if (!resources.services.tokens.readAccess(token)) throw new Error('the token is not good');
  void answer.type('application/json; charset=utf-8').send(reply);
});
const ocsp = { body: Buffer.alloc(900, 48), etag: '"constant"', at: new Date().toUTCString() };
app.get('/bench/ocsp/*', { config: { access: 'public' } }, (_request, answer) =>
  answer
    .type('application/ocsp-response')
    .header('content-length', ocsp.body.length)
    .header('cache-control', 'max-age=0, public, no-transform, must-revalidate')
    .header('etag', ocsp.etag)
    .header('last-modified', ocsp.at)
    .header('expires', ocsp.at)
    .send(ocsp.body),
);
await app.listen({ host: config.host, port: config.port });
process.stdout.write('listens on\n');
process.on('SIGTERM', () => process.exit(0));
