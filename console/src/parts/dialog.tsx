import { Dialog } from 'radix-ui';
import type { ReactNode } from 'react';

type Props = { title: string; about: string; open: boolean; onClose(): void; children: ReactNode };

/** A question over the page. It keeps the focus, and Escape leaves it. */
export function Modal({ title, about, open, onClose, children }: Props) {
  return (
    <Dialog.Root open={open} onOpenChange={(isOpen) => void (isOpen || onClose())}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog">
          <Dialog.Title>{title}</Dialog.Title>
          <Dialog.Description>{about}</Dialog.Description>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
