// Makes calls of App Mesh through AWS's SDK for JavaScript, one after another, each told on a line of stdin as JSON and
// answered by a line. The first argument is the client's settings, and how many milliseconds this computer's clock is off;
// endpoint, region and key come as the SDK finds them.
import { createInterface } from "node:readline";
import * as sdk from "@aws-sdk/client-app-mesh";

const { clockOff = 0, ...config } = JSON.parse(process.argv[2] ?? "{}");
const client = new sdk.AppMeshClient(config);
const rightly = Date.now;
Date.now = () => rightly() + clockOff;

async function once({ operation, input }) {
  const { $metadata, ...output } = await client.send(new sdk[`${operation}Command`](input));
  return { output, metadata: $metadata };
}

async function inPages({ operation, input, pageSize }) {
  const pages = [];
  for await (const { $metadata, ...page } of sdk[`paginate${operation}`]({ client, pageSize }, input)) pages.push(page);
  return { pages };
}

function refusal(error) {
  if (error.$metadata === undefined) throw error; // the server was not reached
  const { name, message, $fault: fault, $metadata: metadata } = error;
  return { error: { name, message, fault, modelled: error instanceof (sdk[name] ?? sdk.AppMeshClient) }, metadata };
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const answer = await (call.pageSize ? inPages(call) : once(call)).catch(refusal);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
