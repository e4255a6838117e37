import { it } from 'vitest';
import { startServer } from '/work/main/test/support/server.js';
import { startMoto, awsEnvironment, mirrorInto } from '/work/main/test/support/moto.js';
import { enroll, provision } from '/work/main/test/support/fleet.js';
it('x', async () => {
  Object.assign(process.env, awsEnvironment);
  const moto = await startMoto();
  const server = await startServer('embedded');
  const r = await server.owner.send('PUT', '/v1/aws', mirrorInto(moto.url));
  console.log(r.status, r.text);
  const e = await enroll(server);
  const d = await provision(server, e.token, 'pump-1', {});
  console.log(JSON.stringify(d.answer.body.aws));
  for (let i = 0; i < 20; i++) {
    await server.services.mirror.tick(); await server.services.mirror.settled();
    const t = await server.owner.get('/v1/things/pump-1');
    console.log(JSON.stringify(t.body.aws), (await server.owner.get('/v1/aws')).text);
    if (t.body.aws?.status === 'active') break;
    await new Promise((r) => setTimeout(r, 500));
  }
  console.log(JSON.stringify(moto.aws('iot', 'list-things')), JSON.stringify(moto.aws('iot', 'list-certificates')), JSON.stringify(moto.aws('iot', 'list-policies')), JSON.stringify(moto.aws('iot','get-policy','--policy-name','thingward-sensor')));
  console.log((await server.owner.get('/v1/policies/actuator/aws')).text);
  await server.stop(); await moto.stop();
}, 60000);
