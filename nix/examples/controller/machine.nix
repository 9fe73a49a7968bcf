# A network whose name and key are made from a secret of its controller, which stays there.
{
  lib,
  pkgs,
  config,
  ...
}:
let
  isController = config.networking.hostName == "controller";
in
{
  artifacts.store = {
    # Its generator reads what another machine has, so you are asked before it does.
    network = {
      shared = true;
      files.name.secret = false;
      files.key = { };
      dependencies.controller = "per-machine/controller/identity";
      generator = pkgs.writers.writeBash "network" ''
        hash() { ${pkgs.openssl}/bin/openssl dgst -sha256 -r | cut -d ' ' -f 1; }
        (echo name; cat $in/controller/secret) | hash > $out/name
        (echo key; cat $in/controller/secret) | hash > $out/key
      '';
    };

    # With the token a peer joins. The controller compares it with the hash, and cannot decrypt it.
    join = {
      shared = true;
      files.token.deploy = !isController;
      files.hash.secret = false;
      generator = pkgs.writers.writeBash "join" ''
        ${pkgs.openssl}/bin/openssl rand -hex 32 > $out/token
        ${pkgs.openssl}/bin/openssl dgst -sha256 -r < $out/token | cut -d ' ' -f 1 > $out/hash
      '';
    };
  }
  // lib.optionalAttrs isController {
    identity = {
      files.secret = { };
      generator = pkgs.writers.writeBash "identity" ''
        ${pkgs.openssl}/bin/openssl rand -hex 32 > $out/secret
      '';
    };
  };
}
