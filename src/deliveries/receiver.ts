/** What is told to a receiver, and how: events of a webhook, or alerts through a channel. */
export type ReceiverKind = 'events' | 'webhook' | 'slack' | 'email';

/** Somebody who is told what happens. */
export type Receiver = {
  id: string;
  account: string;
  kind: ReceiverKind;
  name: string;
  url: string | null;
  recipients: string[];
  types: string[];
  secretSealed: Buffer | null;
  enabled: boolean;
  createdAt: Date;
  createdBy: string;
  /** Since when its queue is full, and takes nothing more. */
  fullSince: Date | null;
};

/** What a receiver is told. */
export type Message = {
  /** The same however often it is told. */
  messageId: string;
  type: string;
  /** What it is about: of one subject, nothing is told before what came earlier. */
  subject: string;
  data: object;
  at: Date;
};

/** How the other side answered. `away`: nothing else would have been accepted now either. */
export type Outcome = { delivered: boolean; away: boolean; status?: number; answer: string };

/** What became of a message. */
export type DeliveryStatus = 'pending' | 'delivered' | 'parked';

/** The most characters that are kept of an answer. */
export const longestAnswer = 1024;
