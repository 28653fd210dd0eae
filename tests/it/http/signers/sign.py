"""Signs with Slack's own SDK. One JSON request a line on stdin, one JSON answer a line on stdout."""

import json
import sys

from slack_sdk.signature import SignatureVerifier

for line in sys.stdin:
    request = json.loads(line)
    at = str(request["at"])
    verifier = SignatureVerifier(request["secret"])
    signature = verifier.generate_signature(timestamp=at, body=request["body"])
    answer = {"x-slack-request-timestamp": at, "x-slack-signature": signature}
    print(json.dumps(answer), flush=True)
