// A value that must not show itself by accident: in a log line, an error, a JSON body, a debugger's print of an object that
// holds it. It prints as `[redacted]` everywhere; whoever needs the value asks for it by name. It does not encrypt anything.

const redacted = '[redacted]';

export type Secret<T> = {
  /** The value itself. Keep it no longer than the act that needs it. */
  expose(): T;
  toString(): string;
  toJSON(): string;
};

/** Wraps a value. The value lives in a closure, so that no listing of properties reaches it. */
export function secret<T>(value: T): Secret<T> {
  const wrapped: Secret<T> = {
    expose: () => value,
    toString: () => redacted,
    toJSON: () => redacted,
  };
  // What console.log and assertion messages ask for.
  Object.defineProperty(wrapped, Symbol.for('nodejs.util.inspect.custom'), { value: () => redacted });
  return Object.freeze(wrapped);
}
