// What was opened is closed in reverse, all of it: one that does not close keeps nothing behind it open, the lock of the folder
// above all. What went wrong is told when everything was tried.

export type Close = () => Promise<void> | void;

/** Empties the list, so that what is closed is not closed twice. Throws the one error that there was, or all of them together. */
export async function closeAll(closing: Close[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closing.splice(0).reverse())
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several things could not be closed');
}
