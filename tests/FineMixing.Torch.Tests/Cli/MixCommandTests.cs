using FineMixing.Checkpoints;

namespace FineMixing.Torch.Tests.Cli;

public sealed class MixCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-mix-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Mix_ThenReplay_GivesTheSameBytesWithoutTorchSharp()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        var list = InFolder("assemblies.txt");

        var mixed = Finemix.Run(["mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"), "--reserve-ratio", "0.3", "--seed", "7"], null, new Dictionary<string, string>
        {
            ["DOTNET_STARTUP_HOOKS"] = typeof(MixCommandTests).Assembly.Location,
            [StartupHook.ListVariable] = list,
        });
        var again = Finemix.Run("mix", "--replay", InFolder("mixed"), "--suspect", suspect, "--base", @base, "--output", InFolder("again"));

        Assert.True(mixed.ExitCode == 0, mixed.Error);
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Equal(File.ReadAllBytes(Weights("mixed")), File.ReadAllBytes(Weights("again")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile)), File.ReadAllBytes(Weights("mixed")));
        Assert.True(File.Exists(Path.Combine(InFolder("mixed"), "vocab.txt")));
        Assert.Equal(0, Finemix.Run("verify", InFolder("mixed")).ExitCode);
        Assert.DoesNotContain("TorchSharp", File.ReadAllLines(list));
    }

    [Fact]
    public void Mix_OutputExists_IsRefusedAndKept()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        var before = File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile));

        var result = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", suspect);

        Assert.Equal(1, result.ExitCode);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile)));
    }

    [Fact]
    public void Mix_UnrelatedBase_IsRefusedUnlessForced()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect")), TinyModel.WriteEncoder(InFolder("base"), seed: 2));

        var refused = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"));
        var forced = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"), "--force");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("hardly", Assert.Single(refused.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(0, forced.ExitCode);
    }

    [Theory]
    [InlineData("--seed", "2")]
    [InlineData("--reserve-ratio", "0.3")]
    public void Mix_ReplayWithOptionOfTheManifest_IsWrongUsage(string option, string value)
    {
        var result = Finemix.Run("mix", "--replay", "m", "--suspect", "a", "--base", "b", "--output", "c", option, value);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(option, result.Error, StringComparison.Ordinal);
    }

    private string InFolder(string name) => Path.Combine(_folder, name);

    private string Weights(string folder) => Path.Combine(InFolder(folder), Checkpoint.SafetensorsFile);
}
