import { useState } from 'react';

/** A text to paste elsewhere. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div className="copy">
      <code>{text}</code>
      <button
        type="button"
        className="quiet"
        aria-label={`${isCopied ? 'Copied' : 'Copy'}: ${label}`}
        onClick={() => void copy()}
      >
        {isCopied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}
