# One end of the tunnel. `peer` is the other one's configuration.
{
  lib,
  config,
  pkgs,
  peer,
  ...
}:
let
  wg = "${pkgs.wireguard-tools}/bin/wg";
  theirs = peer.config.artifacts.store.wireguard.files.public;
  # None but the test machines have any.
  test =
    (import ./test-keys.nix).${config.networking.hostName} or {
      private = null;
      public = null;
    };
in
{
  options.tunnel.address = lib.mkOption {
    type = lib.types.str;
    description = "This end's address in the tunnel.";
  };

  config = {
    nixpkgs.hostPlatform = "x86_64-linux";
    system.stateVersion = "26.05";
    boot.loader.grub.device = "nodev";
    fileSystems."/".device = "/dev/vda1";

    artifacts.root = ./.;
    artifacts.default.backend = "agenix";

    # The pair. The public half is no secret: it is stored as it is, and Nix reads it. A test machine makes its own files when it
    # boots, which is too late for the other end's configuration: it has a pair that is known before.
    artifacts.store.wireguard = {
      files.private.testValue = test.private;
      files.public = {
        secret = false;
        testValue = test.public;
      };
      generator = pkgs.writers.writeBash "wireguard" ''
        set -e
        umask 077
        ${wg} genkey > $out/private
        ${wg} pubkey < $out/private > $out/public
      '';
    };

    # The other end's public half, read while this machine is evaluated.
    networking.wireguard.interfaces.wg0 = {
      ips = [ "${config.tunnel.address}/24" ];
      privateKeyFile = config.artifacts.store.wireguard.files.private.path;
      peers = [
        {
          publicKey = theirs.value;
          allowedIPs = [ "${peer.config.tunnel.address}/32" ];
        }
      ];
    };

    # The same as one file, for a program that wants both keys in it. It cannot be evaluated before the other end's key is
    # there: `artifacts generate` makes the keys, evaluates again, and makes this.
    artifacts.store.tunnel = {
      files."wg0.conf" = { };
      dependencies = [ "wireguard" ];
      # Made for this key: with another it is stale.
      validation = theirs.value;
      generator = pkgs.writers.writeBash "tunnel" ''
        cat > $out/wg0.conf <<EOF
        [Interface]
        PrivateKey = $(cat $in/wireguard/private)
        Address = ${config.tunnel.address}/24

        [Peer]
        PublicKey = ${theirs.value}
        AllowedIPs = ${peer.config.tunnel.address}/32
        EOF
      '';
    };
  };
}
