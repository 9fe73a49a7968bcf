{
  description = "A network whose name and key are made from a secret that stays on one machine";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agenix.url = "github:ryantm/agenix";
    artifacts.url = "git+https://example.org/artifacts";
    artifacts.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      nixpkgs,
      agenix,
      artifacts,
      ...
    }:
    let
      keys = import ./keys.nix;

      machine =
        name:
        nixpkgs.lib.nixosSystem {
          modules = [
            artifacts.nixosModules.default
            agenix.nixosModules.default
            ./machine.nix
            {
              nixpkgs.hostPlatform = "x86_64-linux";
              system.stateVersion = "26.05";
              boot.loader.grub.device = "nodev";
              fileSystems."/".device = "/dev/vda1";

              networking.hostName = name;
              artifacts.root = ./.;
              artifacts.default.backend = "agenix";
              artifacts.hostKey = keys.${name};
              artifacts.recipients.admin = keys.admin;
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        controller = machine "controller";
        peer1 = machine "peer1";
        peer2 = machine "peer2";
      };
    };
}
