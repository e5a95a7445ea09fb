// A plain Node.js function behind an HTTP API: one strongly consistent GetItem, and a
// first one while starting. It does what ../reference/one-get-item does.
//
// It polls the Runtime API itself, over one kept connection, so that every function of
// the comparison is measured from outside in the same way.

import http from "node:http";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const client = new DynamoDBClient({});
const table = process.env.ROUTES_TABLE;

function runtime(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function getItem(number, caller, consistent) {
  const key = { number: { S: number }, caller: { S: caller } };
  return client.send(new GetItemCommand({ TableName: table, Key: key, ConsistentRead: consistent }));
}

async function handle(event) {
  const { caller, called } = JSON.parse(event.body);
  const { Item: item } = await getItem(called, caller, true);
  return { statusCode: 200, body: JSON.stringify({ connect_to: item?.connect_to?.S }) };
}

await getItem("-", "-", false).catch(() => {});
for (;;) {
  const { headers, body } = await runtime("GET", "invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    const answer = await handle(JSON.parse(body));
    await runtime("POST", `invocation/${id}/response`, JSON.stringify(answer));
  } catch (error) {
    await runtime("POST", `invocation/${id}/error`, JSON.stringify({ errorMessage: String(error) }));
  }
}
