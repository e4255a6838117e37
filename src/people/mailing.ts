import { rfc3339 } from '../clock.js';
import type { SendMail } from '../outbound/mail.js';

type Addressee = { name: string; email: string | null; account: string };
type Linked = { link: string; expiresAt: Date };

/**
 * Mails a link to the person whom it is for. Returns whether the mail server took it; undefined where there is no server or no address. The
 * link is in the answer of the request too: nothing depends on the mail.
 */
export async function mailLink(
  mail: SendMail | undefined,
  { name, email, account }: Addressee,
  { link, expiresAt }: Linked,
): Promise<boolean | undefined> {
  if (!mail || email === null) return undefined;
  const lines = [
    `Hello ${name},`,
    '',
    `with this link you sign in to the account ${account} of Thingward. It works once, until ${rfc3339(expiresAt)}:`,
    '',
    link,
    '',
    'Give it to nobody. If you expect no such mail, delete it, and tell whoever runs Thingward for you.',
  ];
  return mail({ to: [email], subject: `Sign in to Thingward: ${account}`, text: lines.join('\n') }).then(
    () => true,
    () => false,
  );
}
