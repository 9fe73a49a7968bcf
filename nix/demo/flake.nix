{
  description = "Two machines and a user whose secrets are made and stored by artifacts";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager.url = "github:nix-community/home-manager";
    home-manager.inputs.nixpkgs.follows = "nixpkgs";
    agenix.url = "github:ryantm/agenix";
    sops-nix.url = "github:Mic92/sops-nix";
    artifacts.url = "git+https://example.org/artifacts";
    artifacts.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      nixpkgs,
      home-manager,
      agenix,
      sops-nix,
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
            sops-nix.nixosModules.default
            ./machine.nix
            {
              networking.hostName = name;
              artifacts.hostKey = keys.${name};
              artifacts.recipients.admin = keys.admin;
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        web1 = machine "web1";
        web2 = machine "web2";
      };

      homeConfigurations.alice = home-manager.lib.homeManagerConfiguration {
        pkgs = nixpkgs.legacyPackages.x86_64-linux;
        modules = [
          artifacts.homeModules.default
          agenix.homeManagerModules.default
          ./alice.nix
          { artifacts.hostKey = keys.alice; }
        ];
      };
    };
}
