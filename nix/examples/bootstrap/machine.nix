# The machine's own key is made before the machine is there, by the same command as everything else.
#
#     artifacts generate
#     artifacts provision web1 "$XDG_RUNTIME_DIR/web1"
#     nixos-anywhere --extra-files "$XDG_RUNTIME_DIR/web1" --flake .#web1 root@web1
#
# The first makes the key, evaluates again with its public half, shows that as an added recipient, asks, and makes the rest.
#
# Before that, `artifacts status` and `generate --dry-run` call `token` an error, since there is no key to encrypt it to yet. Set no
# other key for it, whatever the help says: `generate` makes this one.
#
# The machine boots with its key in place, reads what is encrypted to it, and needs no second rebuild.
{ pkgs, config, ... }:
let
  public = config.artifacts.store.host-key.files.public;
in
{
  artifacts.store.host-key = {
    # Not deployed: the machine needs it before it can read anything. An installer brings it, to this very path.
    files.private = {
      deploy = false;
      path = "/etc/ssh/ssh_host_ed25519_key";
      mode = "0600";
    };
    files.public.secret = false;
    generator = pkgs.writers.writeBash "host-key" ''
      set -e
      ${pkgs.openssh}/bin/ssh-keygen -q -t ed25519 -N "" -C root@${config.networking.hostName} -f key
      mv key $out/private
      mv key.pub $out/public
    '';
  };

  # Everything else is encrypted to it.
  artifacts.hostKey = if public.exists then public.value else null;

  artifacts.store.token = {
    files.secret = { };
    generator = pkgs.writers.writeBash "token" "${pkgs.openssl}/bin/openssl rand -hex 32 > $out/secret";
  };
}
