# A user, under Home Manager.
{ pkgs, ... }:
{
  home.username = "alice";
  home.homeDirectory = "/home/alice";
  home.stateVersion = "26.05";

  artifacts.root = ./.;
  artifacts.default.backend = "agenix";

  artifacts.store.mail = {
    files.password.mode = "0600";
    generator = pkgs.writers.writeBash "mail-password" ''
      ${pkgs.openssl}/bin/openssl rand -base64 24 > $out/password
    '';
  };
}
