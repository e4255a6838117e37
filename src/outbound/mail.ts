import { createTransport } from 'nodemailer';

/** A mail in plain text. */
export type Mail = { to: string[]; subject: string; text: string; id?: string };

/** Sends a mail and says what the mail server answered. @throws Error when it takes none, or does not answer in time */
export type SendMail = (mail: Mail) => Promise<string>;

const mostMs = 10_000;

/**
 * Sends mails through the server that the operator names: tenants choose recipients, never the server. Nothing is read from files or URLs
 * into a mail.
 */
export function createMailer({ url, from }: { url: string; from: string }): SendMail {
  const timeouts = { connectionTimeout: mostMs, greetingTimeout: mostMs, socketTimeout: mostMs };
  const transport = createTransport({ url, ...timeouts, disableFileAccess: true, disableUrlAccess: true });
  return async ({ to, subject, text, id }) => {
    const host = from.split('@').at(-1)!.split('>')[0]!;
    const messageId = id === undefined ? {} : { messageId: `<${id}@${host}>` };
    const headers = { 'Auto-Submitted': 'auto-generated' };
    const { response } = await transport.sendMail({ from, to, subject, text, headers, ...messageId });
    return response;
  };
}
