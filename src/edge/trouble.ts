/** What of a decider may fail for a while: following the log, what it tells and asks the control plane, its state on disk, ending sessions. */
export type Trouble =
  'following' | 'receipts' | 'reports' | 'questions' | 'authorities' | 'state' | 'sessions' | 'commands';
