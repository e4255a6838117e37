import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { describeWith } from '../../support/programs.js';

const evil = '"><img src=x onerror="window.harmed=1"><script>window.harmed=1</script>';

const pumps = (max: number) => ({
  name: 'pumps',
  match: { topics: ['${account}/+/telemetry'] },
  time: '$.ts',
  values: { pressure: '$.p' },
  steps: [
    { window: { tumbling: 60 }, emit: ['mean', 'max', 'count'] },
    { threshold: 'pressure', max, severity: 'critical' },
  ],
  now: [{ severity: 'critical' }],
});
const messages = [
  {
    thing: 'pump-17',
    topic: 'default/pump-17/telemetry',
    at: '2027-01-15T08:00:01Z',
    payload: { ts: 1800000001, p: 5 },
  },
  {
    thing: 'pump-17',
    topic: 'default/pump-17/telemetry',
    at: '2027-01-15T08:00:31Z',
    payload: { ts: 1800000031, p: 9 },
  },
  { thing: 'pump-17', topic: 'default/pump-17/telemetry', at: '2027-01-15T08:00:32Z', payload: { p: 5 } },
  { thing: 'pump-17', topic: 'default/pump-17/status', payload: {} },
];
const lines = messages.map((each) => JSON.stringify(each)).join('\n');

describeWith(['chromium'], 'pipelines in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
  });
  afterAll(() => stage?.stop());
  const write = async (document: unknown) => {
    const { page } = stage;
    await page.getByRole('textbox', { name: 'Pipeline document' }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(typeof document === 'string' ? document : JSON.stringify(document, undefined, 2));
  };
  const sound = () => stage.page.getByText('Nothing to say against it.').waitFor();
  const view = (name: string) =>
    stage.page.getByRole('navigation', { name: 'Views of the pipeline' }).getByRole('link', { name }).click();
  const activeOf = async (name: string): Promise<unknown> =>
    (await stage.server.owner.get(`/v1/pipelines/${name}`)).body.activeVersion;

  it('a built-in pipeline is shown, activated and disabled again', async () => {
    const { page, see } = stage;
    await page.getByRole('link', { name: 'Pipelines', exact: true }).click();
    await page.getByRole('link', { name: 'sensor', exact: true }).waitFor();
    await see('pipelines');
    await page.getByRole('link', { name: 'sensor', exact: true }).click();
    await page.getByText('No version runs. This is version 1').waitFor();
    await page.getByText('It is built in.').waitFor();
    expect(await page.getByRole('button', { name: 'Delete…' }).count()).toBe(0);
    await see('pipeline-built-in');
    await page.getByRole('button', { name: 'Activate version 1…' }).click();
    await see('pipeline-activate');
    await page.getByRole('button', { name: 'Activate version 1', exact: true }).click();
    await page.getByText('Version 1, which runs').waitFor();
    expect(await activeOf('sensor')).toBe(1);
    await page.getByRole('button', { name: 'Disable…' }).click();
    await page.getByRole('button', { name: 'Disable', exact: true }).click();
    await page.getByText('sensor runs no more.').waitFor();
    expect(await activeOf('sensor')).toBeUndefined();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Version 1 of sensor runs again.').waitFor();
    expect(await activeOf('sensor')).toBe(1);
  });

  it('a document is checked as it is written, tried on messages, and not saved with an error in it', async () => {
    const { page, see, open } = stage;
    await open('/pipelines/new');
    await sound();
    await write('{ "name": "pumps", ');
    await page.getByText('It would not be saved').waitFor();
    const bad = { ...pumps(8), to: ['http://10.0.0.7/'], steps: [{ threshold: 'presure', max: 8 }] };
    await write(bad);
    await page
      .getByText(/pipelines hold no URLs/)
      .first()
      .waitFor();
    await page.getByText('/steps/0', { exact: true }).waitFor();
    const marked = (await page.locator('.cm-lintRange-error').allTextContents()).join(' ');
    expect(marked).toContain('presure');
    expect(marked).toContain('http://10.0.0.7/');
    expect(marked).not.toContain('telemetry');
    expect(await page.getByRole('button', { name: 'Create and run' }).isDisabled()).toBe(true);
    await see('pipeline-error');
    await write(pumps(8));
    await sound();
    await page.getByLabel('Recorded messages').fill(`${lines}\n{ oops`);
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText(/^Line 5 is not JSON/).waitFor();
    await page.getByLabel('Recorded messages').fill(lines);
    await page.getByLabel('Time passes until').fill('2027-01-15T23:59:00');
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page
      .getByText(
        '2 publications with 2 records out of 4 messages; 1 message would go no further; 1 message is not for it.',
      )
      .waitFor();
    await page.getByText('pressure is 9, above 8').waitFor();
    await page.getByText('pressure.mean 7, pressure.max 9, pressure.count 2').waitFor();
    await page.getByRole('cell', { name: 'It does not say when it is from.' }).waitFor();
    await see('pipeline-tried');
    await page.getByRole('button', { name: 'Create and run' }).click();
    await page.getByText('Version 1, which runs').waitFor();
    await see('pipeline');
    expect(await activeOf('pumps')).toBe(1);
  });

  it('another version is compared, simulated, activated and taken back', async () => {
    const { page, see } = stage;
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await sound();
    await write(pumps(20));
    await sound();
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await page.getByRole('heading', { name: 'From version 1 to version 2' }).waitFor();
    await page.locator('.diff .added').getByText('"max": 20').waitFor();
    await see('pipeline-versions');
    expect(await activeOf('pumps')).toBe(1);
    await page.getByRole('link', { name: 'Simulate version 2' }).click();
    await page.getByRole('heading', { name: 'Try version 2' }).waitFor();
    await page.getByLabel('Recorded messages').fill(JSON.stringify({ messages }));
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText('0 publications with 0 records out of 4 messages').waitFor();
    await view('Versions');
    await page.getByRole('button', { name: 'Activate version 2' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Activate version 2' }).click();
    await page.getByText('Version 2 of pumps runs now.').waitFor();
    expect(await activeOf('pumps')).toBe(2);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Version 1 of pumps runs again.').waitFor();
    expect(await activeOf('pumps')).toBe(1);
  });

  it('shows a refusal of the server as it is, and what is hostile as text', async () => {
    const { page, see, server, open, complaints } = stage;
    await open('/pipelines/pumps/simulate');
    await page
      .getByLabel('Recorded messages')
      .fill(`{ "thing": "a b", "topic": ${JSON.stringify(evil)}, "payload": 1 }`);
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByRole('alert').waitFor();
    const hostile = { thing: 'pump-17', topic: evil, payload: { [evil]: evil } };
    await page.getByLabel('Recorded messages').fill(JSON.stringify([hostile]));
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText('No message is for this pipeline').waitFor();
    const document = { ...pumps(8), name: 'evil', match: { topics: [`\${account}/+/${evil}`] } };
    const made = await server.owner.post('/v1/pipelines', document);
    expect(made.status, made.text).toBe(201);
    await open('/pipelines/evil');
    await page.getByText('<img src=x').first().waitFor();
    await see('pipeline-evil');
    await view('Simulate');
    await page.getByLabel('Recorded messages').fill(
      JSON.stringify([
        { thing: 'pump-17', topic: `default/pump-17/${evil}`, payload: { ts: 1800000001, p: 99 } },
        { thing: 'pump-17', topic: `default/pump-17/${evil}`, payloadBase64: 'AAAA' },
      ]),
    );
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByRole('region', { name: 'What goes no further' }).waitFor();
    expect(await page.evaluate('[window.harmed ?? null, document.images.length]')).toEqual([null, 0]);
    expect(complaints).toEqual([]);
  });

  it('a pipeline goes when its name is typed', async () => {
    const { page, open, server } = stage;
    await open('/pipelines/evil');
    await page.getByRole('button', { name: 'Delete…' }).click();
    const last = page.getByRole('button', { name: 'Delete', exact: true });
    expect(await last.isDisabled()).toBe(true);
    await page.getByLabel('Type evil to confirm').fill('evil');
    await last.click();
    await page.getByRole('link', { name: 'pumps', exact: true }).waitFor();
    expect((await server.owner.get('/v1/pipelines/evil')).status).toBe(404);
  });

  it('who may only read sees pipelines and tries them, and changes nothing', async () => {
    const { invite, site } = stage;
    const page = await invite('Rita', ['pipelines:read']);
    await page.getByRole('link', { name: 'Pipelines', exact: true }).click();
    await page.getByRole('link', { name: 'pumps', exact: true }).click();
    await page.getByText('Version 1, which runs').waitFor();
    expect(await page.getByRole('button', { name: /Disable|Delete|Activate/ }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'Edit', exact: true }).count()).toBe(0);
    await page.goto(`${site}/console/pipelines/pumps/simulate`);
    await page.getByLabel('Recorded messages').fill(lines);
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText(/^1 publication with 1 record out of 4 messages/).waitFor();
    await page.context().close();
  });

  it('shows what others change', async () => {
    const { page, comes, open, server } = stage;
    await open('/pipelines');
    await page.getByRole('link', { name: 'pumps', exact: true }).waitFor();
    await server.owner.post('/v1/pipelines', { ...pumps(8), name: 'others' });
    await comes(page.getByRole('link', { name: 'others', exact: true }));
  });
});
