// Signs with the vendors' own SDKs. One JSON request a line on stdin, one JSON answer a line on
// stdout: the headers that the vendor would send, or whether a signature of ours holds.
import { createInterface } from 'node:readline';
import { sign as signGithub } from '@octokit/webhooks-methods';
import { Webhook as Standard } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as Svix } from 'svix';
import twilio from 'twilio';

const stripe = new Stripe('sk_test_none');

const signers = {
  stripe: ({ secret, body, at }) => ({
    'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: at }),
  }),
  github: async ({ secret, body, id }) => ({
    'x-github-delivery': id,
    'x-github-event': 'push',
    'x-hub-signature-256': await signGithub(secret, body),
  }),
  standard: ({ secret, body, at, id }) => ({
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': new Standard(secret).sign(id, new Date(at * 1000), body),
  }),
  svix: ({ secret, body, at, id }) => ({
    'svix-id': id,
    'svix-timestamp': String(at),
    'svix-signature': new Svix(secret).sign(id, new Date(at * 1000), body),
  }),
  // `url` is the address as Twilio knows it; a form's fields are signed, other bodies by their hash.
  twilio: ({ secret, body, url, form }) => ({
    'x-twilio-signature': twilio.getExpectedTwilioSignature(secret, url, form ?? {}),
  }),
  twilio_hash: ({ body }) => ({ hash: twilio.getExpectedBodyHash(body) }),
  // Throws where the signature does not hold, or is too old.
  verify: ({ secret, body, headers }) => {
    try {
      new Standard(secret).verify(body, headers);
      return { holds: true };
    } catch (error) {
      return { holds: false, why: String(error.message) };
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    console.log(JSON.stringify(await signers[request.vendor](request)));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
