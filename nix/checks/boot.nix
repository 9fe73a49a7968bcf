# A machine that boots with a secret of a generator, a dependency and a service that waits for it; nothing is stored for it.
{ nixosModule }:
{
  name = "artifacts-boot";

  nodes.machine =
    { pkgs, ... }:
    {
      imports = [ nixosModule ];

      artifacts.default.backend = "dummy";
      artifacts.store.seed = {
        files.seed = { };
        generator = pkgs.writers.writeBash "make-seed" ''
          echo seed > $out/seed
        '';
      };
      artifacts.store.token = {
        dependencies = [ "seed" ];
        bindUnits = [ "reader.service" ];
        files.token = {
          owner = "nobody";
          group = "nogroup";
          mode = "0440";
        };
        generator = pkgs.writers.writeBash "make-token" ''
          echo "made of $(cat $in/seed/seed)" > $out/token
        '';
      };

      systemd.services.reader = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          User = "nobody";
          ExecStart = "${pkgs.coreutils}/bin/cat /run/artifacts/token/token";
        };
      };
    };

  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.wait_for_unit("artifact-token.service")
    machine.wait_for_unit("reader.service")
    machine.wait_for_unit("artifacts-watch.service")
    assert machine.succeed("cat /run/artifacts/token/token") == "made of seed\n"
    machine.succeed("stat -L -c '%U %a' /run/artifacts/token/token | grep -x 'nobody 440'")
    # What it is made of is for root alone.
    machine.fail("runuser -u nobody -- cat /run/artifacts/seed/seed")
  '';
}
