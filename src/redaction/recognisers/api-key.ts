import { isAlnum } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

/** Formats as their issuers document them: a literal prefix, then characters that are counted. Longer bodies are taken whole. */
const FORMATS: readonly string[] = [
  '(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA)[A-Z0-9]{16,}', // AWS
  'gh[oprsu]_[A-Za-z0-9]{30,}', // GitHub
  'github_pat_\\w{22,}',
  'gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[\\w.-]{20,}', // GitLab
  'xox[abceoprs]-[\\w.-]{10,}', // Slack
  'xapp-[\\w-]{10,}',
  'xwfp-[\\w-]{10,}',
  'hooks\\.slack\\.com/services/T\\w{6,}/B\\w{6,}/\\w{16,}',
  '[prs]k_(?:live|test)_[A-Za-z0-9]{10,}', // Stripe
  'whsec_[A-Za-z0-9+/=]{20,}',
  'AIza[\\w-]{35,}', // Google
  'GOCSPX-[\\w-]{20,}',
  'ya29\\.[\\w-]{20,}',
  'sk-(?:ant|proj|svcacct|admin|or|None)-[\\w-]{20,}', // OpenAI, Anthropic, OpenRouter
  'sk-[A-Za-z0-9]{32,}',
  'gsk_[A-Za-z0-9]{32,}', // Groq
  'xai-[A-Za-z0-9]{40,}',
  'hf_[A-Za-z0-9]{30,}', // Hugging Face
  'r8_[A-Za-z0-9]{30,}', // Replicate
  'pplx-[A-Za-z0-9]{32,}',
  'npm_[A-Za-z0-9]{30,}',
  'pypi-[\\w-]{50,}',
  'rubygems_[a-f0-9]{48,}',
  'dckr_(?:pat|oat)_[\\w-]{20,}', // Docker
  'SG\\.[\\w-]{16,64}\\.[\\w-]{16,}', // SendGrid
  '(?:AC|SK)[a-f0-9]{32,}', // Twilio
  'key-[a-f0-9]{32,}', // Mailgun
  '[a-f0-9]{32}-us\\d{1,2}', // Mailchimp
  'do[opr]_v1_[a-f0-9]{64,}', // DigitalOcean
  'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}', // Shopify
  'sq0(?:atp|csp|idp)-[\\w-]{20,}', // Square
  'EAAA[\\w-]{56,}',
  '\\d{8,10}:AA[\\w-]{32,}', // Telegram
  'lin_(?:api|oauth)_[A-Za-z0-9]{32,}', // Linear
  'ntn_[A-Za-z0-9]{40,}', // Notion
  'secret_[A-Za-z0-9]{43,}',
  'dapi[a-f0-9]{32,}', // Databricks
  'hv[bsr]\\.[\\w-]{24,}', // Vault
  'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.-]{40,}', // Doppler
  'gl(?:sa|c)_[A-Za-z0-9+/=_]{32,}', // Grafana
  'NRAK-[A-Z0-9]{27,}', // New Relic
  'PMAK-[a-f0-9]{24}-[a-f0-9]{34,}', // Postman
  'ATATT3[\\w=-]{50,}', // Atlassian
  'ATCTT3[\\w=-]{50,}',
  'sntry[su]_[\\w=+/-]{40,}', // Sentry
  'sb[ps]_[a-f0-9]{40,}', // Supabase
  'pscale_(?:tkn|pw|oauth)_[\\w.-]{32,}',
  'tskey-[a-z]{3,10}-[\\w-]{10,}', // Tailscale
  'pul-[a-f0-9]{40,}',
  'figd_[\\w-]{36,}',
  'pat[A-Za-z0-9]{14}\\.[a-f0-9]{64,}', // Airtable
  'AGE-SECRET-KEY-1[A-Z0-9]{58,}',
  'AccountKey=[A-Za-z0-9+/]{80,}={0,2}', // Azure storage
];

/** Secrets without a prefix of their own, known by the name in front of them. Only the value is hidden. */
const NAMED = /aws_?secret_?(?:access_?)?key["']?\s{0,3}[=:]\s{0,3}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])/gi;

const PREFIXED = new RegExp(`(?:${FORMATS.join('|')})`, 'g');

/** Prefixes short enough to begin names (`sk-or-something-written-out`) count only before what no word looks like. */
const AMBIGUOUS = /^(?:sk-|secret_|key-|pplx-)/;
const looksRandom = (key: string): boolean => /\d/.test(key) || /[a-z][A-Z]/.test(key);

export const apiKey: Recogniser = {
  label: 'API_KEY',
  version: 1,
  find(text, report) {
    for (const match of text.matchAll(PREFIXED)) {
      if (isAlnum(text.charCodeAt(match.index - 1))) continue;
      if (AMBIGUOUS.test(match[0]) && !looksRandom(match[0])) continue;
      report(match.index, match.index + match[0].replace(/\.+$/, '').length);
    }
    for (const match of text.matchAll(NAMED)) {
      const end = match.index + match[0].length;
      report(end - (match[1] as string).length, end);
    }
  },
};
