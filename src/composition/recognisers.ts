import type { FreshetConfig } from '../config/index.ts';
import type { Recogniser } from '../redaction/recogniser.ts';
import { DEFAULT_RECOGNISERS } from '../redaction/recognisers/index.ts';

type Switch = keyof FreshetConfig['redaction']['recognisers'];

/** Which switch of the configuration turns which placeholder off. */
const SWITCH_OF: Readonly<Record<string, Switch>> = {
  EMAIL: 'email',
  CREDIT_CARD: 'card',
  IBAN: 'iban',
  US_SSN: 'ssn',
  IP: 'ip',
  JWT: 'jwt',
  API_KEY: 'apiKey',
  PRIVATE_KEY: 'privateKey',
};

export function recogniserSelection(switches: Readonly<Record<Switch, boolean>>): readonly Recogniser[] {
  return DEFAULT_RECOGNISERS.filter(({ label }) => {
    const name = SWITCH_OF[label];
    return name === undefined || switches[name];
  });
}
