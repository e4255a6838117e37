import { useMutation } from '@tanstack/react-query';
import { queryClient } from '../queries.js';
import { useStepUp } from './step-up.js';

/** Something that somebody does: with a fresh factor where the API wants one, and what is shown is read again afterwards. */
export function useAct<Input = void, Output = unknown>(
  work: (input: Input) => Promise<Output>,
  onDone?: (output: Output, input: Input) => unknown,
) {
  const withStepUp = useStepUp();
  return useMutation({
    mutationFn: (input: Input) => withStepUp(() => work(input)),
    onSuccess: async (output: Output, input: Input) => {
      await onDone?.(output, input);
      await queryClient.invalidateQueries();
    },
  });
}
