import type { Recogniser } from '../recogniser.ts';
import { apiKey } from './api-key.ts';
import { creditCard } from './credit-card.ts';
import { email } from './email.ts';
import { iban } from './iban.ts';
import { ip } from './ip.ts';
import { jwt } from './jwt.ts';
import { privateKey } from './private-key.ts';
import { usSsn } from './us-ssn.ts';

/** In the order in which equally long overlapping matches win. */
export const DEFAULT_RECOGNISERS: readonly Recogniser[] = [privateKey, jwt, apiKey, iban, creditCard, usSsn, email, ip];
