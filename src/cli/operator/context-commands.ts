import { Command } from 'commander';
import { branch, leaf } from './leaf.js';
import type { CommonFlags } from '../session/session.js';

const columns = [
  ['CURRENT', 'current'],
  ['NAME', 'name'],
  ['URL', 'url'],
] as const;

/** `thingward login` and `thingward contexts`. */
export function contextCommands(): Command[] {
  return [
    new Command('login')
      .description('log in to a server in the browser, or with a key, and use it from now on')
      .argument('<url>', 'the address of the server')
      .option('--name <name>', 'the name of the context; the host of the address by default')
      .option('--key', 'ask for an API key instead of opening the browser')
      .addHelpText(
        'after',
        '\nThe browser gives this machine a key that ends after 8 hours. Without a terminal, the key is the first line of the input. The file that stores keys is only for you (mode 0600).\n\nExamples:\n  thingward login https://thingward.example.com\n  thingward login https://thingward.example.com --key\n  thingward login https://thingward.example.com --name production < key.txt',
      )
      .action(login),
    branch(
      'contexts',
      'the servers that you have logged in to',
      leaf('list', 'list the contexts, without their keys', 'thingward contexts list').action(list),
      new Command('use')
        .description('use another context from now on')
        .argument('<name>', 'its name')
        .addHelpText('after', '\nExample:\n  thingward contexts use production')
        .action(use),
      new Command('remove')
        .description('forget a context and its key')
        .argument('<name>', 'its name')
        .addHelpText('after', '\nExample:\n  thingward contexts remove production')
        .action(remove),
    ),
  ];
}

const parts = async () => ({
  ...(await import('../session/contexts.js')),
  ...(await import('../../config.js')).operatorSettings(),
});

type LoginFlags = { name?: string; key?: true };

async function login(text: string, flags: LoginFlags): Promise<void> {
  const { readContexts, writeContexts, folder } = await parts();
  const { requireUrl } = await import('../session/target.js');
  const url = requireUrl(text, text);
  const stored = readContexts(folder);
  const context = flags.name ?? new URL(url).host;
  const isTyped = flags.key || !process.stdin.isTTY;
  const { said, ...made } = isTyped ? await typedKey(url) : await browserKey(url);
  writeContexts(folder, { current: context, contexts: { ...stored.contexts, [context]: { url, ...made } } });
  process.stdout.write(`Logged in to ${url} as context ${context}${said}.\n`);
}

type Login = { key: string; expiresAt?: string; said: string };

async function typedKey(url: string): Promise<Login> {
  const { requireKey } = await import('../session/target.js');
  const { readSecret } = await import('../session/ask.js');
  const key = requireKey(await readSecret(`API key for ${url}: `), 'the input');
  await tryKey(url, key);
  return { key, said: '' };
}

async function browserKey(url: string): Promise<Login> {
  const { keyFromBrowser } = await import('../session/browser.js');
  const { asOperatorError } = await import('../session/failures.js');
  const { requireKey } = await import('../session/target.js');
  const { plain } = await import('../output/cells.js');
  try {
    const { key, expiresAt, account, person } = await keyFromBrowser(url, (text) => process.stderr.write(text));
    const said = `, for ${plain(person.name)} of ${plain(account)} until ${plain(expiresAt)}`;
    return { key: requireKey(key, 'what the server gave'), expiresAt, said };
  } catch (error) {
    throw asOperatorError(error, url);
  }
}

/** A key that the server does not know is not stored. A key without permissions is. */
async function tryKey(url: string, token: string): Promise<void> {
  const { createClient, ProblemError } = await import('../../client/client.js');
  const { asOperatorError } = await import('../session/failures.js');
  try {
    await createClient({ url, token }).get('/v1/things', { query: { limit: 1 } });
  } catch (error) {
    if (error instanceof ProblemError && error.status === 403) return;
    throw asOperatorError(error, url);
  }
}

async function list(flags: CommonFlags): Promise<void> {
  const { readContexts, folder, ...settings } = await parts();
  const { outputOf } = await import('../session/session.js');
  const { writeList } = await import('../output/output.js');
  const { current, contexts } = readContexts(folder);
  const rows = Object.entries(contexts).map(([name, { url }]) => ({ current: name === current ? '*' : '', name, url }));
  await writeList(outputOf(flags, { ...settings, folder }), inTurn(rows), columns);
}

// The rows are at hand, and the listing wants a promise.
async function* inTurn<T>(items: T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

async function use(name: string): Promise<void> {
  const { readContexts, writeContexts, folder } = await parts();
  const stored = readContexts(folder);
  await requireContext(stored.contexts, name);
  writeContexts(folder, { ...stored, current: name });
  process.stdout.write(`The context ${name} is in use.\n`);
}

async function remove(name: string): Promise<void> {
  const { readContexts, writeContexts, folder } = await parts();
  const { current, contexts } = readContexts(folder);
  await requireContext(contexts, name);
  const left = Object.fromEntries(Object.entries(contexts).filter(([each]) => each !== name));
  writeContexts(folder, { ...(current === undefined || current === name ? {} : { current }), contexts: left });
  process.stdout.write(
    `The context ${name} is removed. Its key is valid still: delete it with DELETE /v1/api-keys/{id}\n`,
  );
}

async function requireContext(contexts: object, name: string): Promise<void> {
  const { OperatorError } = await import('../session/errors.js');
  if (!Object.hasOwn(contexts, name))
    throw new OperatorError(`there is no context ${name}: thingward contexts list shows those there are`);
}
