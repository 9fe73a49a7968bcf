// Encrypts and decrypts what comes from standard input with age in JavaScript.
//
//     node age.mjs keygen [hybrid]          prints an identity and its recipient
//     node age.mjs encrypt RECIPIENT...     prints a binary file
//     node age.mjs decrypt IDENTITY         takes a binary or armored file

import { Decrypter, Encrypter, armor, generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";

const [command, ...keys] = process.argv.slice(2);

async function input() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

switch (command) {
  case "keygen": {
    const identity = await (keys[0] === "hybrid" ? generateHybridIdentity() : generateX25519Identity());
    console.log(`${identity}\n${await identityToRecipient(identity)}`);
    break;
  }
  case "encrypt": {
    const encrypter = new Encrypter();
    for (const recipient of keys) encrypter.addRecipient(recipient);
    process.stdout.write(await encrypter.encrypt(await input()));
    break;
  }
  case "decrypt": {
    const decrypter = new Decrypter();
    for (const identity of keys) decrypter.addIdentity(identity);
    const file = await input();
    const text = new TextDecoder("latin1").decode(file);
    const binary = text.startsWith("-----BEGIN") ? armor.decode(text) : file;
    process.stdout.write(await decrypter.decrypt(binary));
    break;
  }
  default:
    throw new Error(`unknown command: ${command}`);
}
