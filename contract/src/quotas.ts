// Wire shapes of quotas. Usages have the shape that Azure gives them; setting quotas is Strongroom's own.

import { type Static, Type } from './schema.ts';

export const quotasPath = (subscriptionId: string) =>
  `/subscriptions/${subscriptionId}/providers/Strongroom.Quotas` as const;

/** As many as one record of the log names, each with its limit. */
export const quotaLimits = { atOnce: 32 } as const;

const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Sets quotas by resource id; null is the default of the installation again. */
export const UpdateQuotas = Type.Object(
  {
    value: Type.Array(
      Type.Object(
        { id: Type.String({ minLength: 1, maxLength: 1024 }), limit: Type.Union([Bytes, Type.Null()]) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: quotaLimits.atOnce },
    ),
  },
  { additionalProperties: false },
);
export type UpdateQuotas = Static<typeof UpdateQuotas>;

export const Quota = Type.Object({ id: Type.String(), limit: Bytes, unit: Type.Literal('Bytes') });
export const QuotaList = Type.Object({
  /** What holds for whatever is not named: a share of the disk. */
  default: Type.Object({ limit: Bytes, unit: Type.Literal('Bytes') }),
  value: Type.Array(Quota),
});

export const Usage = Type.Object({
  id: Type.String(),
  type: Type.String(),
  name: Type.Object({ value: Type.String(), localizedValue: Type.String() }),
  unit: Type.Literal('Bytes'),
  currentValue: Bytes,
  limit: Bytes,
});
export type Usage = Static<typeof Usage>;
export const UsageList = Type.Object({ value: Type.Array(Usage) });
