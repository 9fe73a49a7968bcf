# What both machines have.
{ pkgs, config, ... }:
{
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "26.05";
  boot.loader.grub.device = "nodev";
  fileSystems."/".device = "/dev/vda1";

  artifacts.root = ./.;
  artifacts.default.backend = "agenix";

  # Asked for, once a machine.
  artifacts.store.test = {
    files.secret = { };
    prompts.test.description = "test input";
    generator = pkgs.writers.writeBash "test" ''
      cat $prompts/test > $out/secret
    '';
  };

  # Made without a question.
  artifacts.store.attic = {
    files.env = {
      owner = "atticd";
      group = "atticd";
      path = "/var/lib/attic/secrets/env";
    };
    generator = pkgs.writers.writeBash "generate-attic" ''
      set -eo pipefail
      key=$(${pkgs.openssl}/bin/openssl genrsa -traditional 4096 | base64 -w0)
      echo "ATTIC_SERVER_TOKEN_RS256_SECRET_BASE64=$key" > "$out/env"
    '';
  };
  artifacts.store.attic.backend = "sops-nix";
  users.users.atticd = {
    isSystemUser = true;
    group = "atticd";
  };
  users.groups.atticd = { };
  services.atticd.environmentFile = config.artifacts.store.attic.files.env.path;

  # One for both machines.
  artifacts.store.cluster = {
    shared = true;
    files.token = { };
    generator = pkgs.writers.writeBash "cluster-token" ''
      ${pkgs.openssl}/bin/openssl rand -hex 32 > $out/token
    '';
  };
}
