/** How a broker calls the things of an account, by the template of the settings. */
export type Users = {
  userOf(thingName: string): string;
  /** The thing that a user may be; undefined for users that the template makes of no thing. */
  thingOf(user: string): string | undefined;
};

const variable = '${thing.name}';
const thingName = /^[A-Za-z0-9:._-]{1,128}$/;

/** Reads a template such as `${account}/${thing.name}`, which names the thing once. */
export function createUsers(template: string, account: () => string): Users {
  const [before = '', after = ''] = template.split(variable);
  const filled = (text: string): string => text.replaceAll('${account}', () => account());
  return {
    userOf: (name) => `${filled(before)}${name}${filled(after)}`,
    thingOf(user) {
      const [prefix, suffix] = [filled(before), filled(after)];
      if (user.length < prefix.length + suffix.length || !user.startsWith(prefix) || !user.endsWith(suffix))
        return undefined;
      const name = user.slice(prefix.length, user.length - suffix.length);
      return thingName.test(name) ? name : undefined;
    },
  };
}
