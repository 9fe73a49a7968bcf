# A program that wants its password inside its configuration file.
{ pkgs, ... }:
let
  # All but the password is no secret, and is in the Nix store.
  template = pkgs.writeText "app.toml" ''
    [server]
    listen = "127.0.0.1:8080"

    [database]
    user = "app"
    password = "@password@"
  '';
in
{
  # An artifact of its own: the database reads it, too.
  artifacts.store.database = {
    files.password = { };
    generator = pkgs.writers.writeBash "database" ''
      ${pkgs.openssl}/bin/openssl rand -hex 32 | ${pkgs.coreutils}/bin/tr -d '\n' > $out/password
    '';
  };

  artifacts.store.app = {
    files."app.toml".path = "/var/lib/app/app.toml";
    dependencies = [ "database" ];
    # Made for this template: with another it is stale.
    validation = toString template;
    generator = pkgs.writers.writeBash "app" ''
      set -e
      text=$(<${template})
      printf '%s\n' "''${text//@password@/$(<$in/database/password)}" > $out/app.toml
    '';
  };
}
