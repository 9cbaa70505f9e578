using FineMixing.Provenance;

namespace FineMixing.Torch.Tests.Cli;

/// <summary>A LoRA adapter on its base (<c>--suspect BASE --adapter DIR</c>) goes through the commands like a full model.</summary>
public sealed class AdapterCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-adapter-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void EveryCommand_Adapter_ReadsBaseAndAdapterAsTheSuspect()
    {
        var @base = TinyModel.WriteEncoder(Path.Combine(_folder, "base"));
        var adapter = TinyModel.WriteAdapter(Path.Combine(_folder, "adapter"));
        var cleaned = Path.Combine(_folder, "cleaned");
        string[] pair = ["--suspect", @base, "--adapter", adapter, "--base", @base];

        Assert.Contains("classifier.weight", Succeed("inspect", @base, "--adapter", adapter), StringComparison.Ordinal);
        Assert.Contains("only in the suspect: classifier.bias", Succeed(["compare", .. pair]), StringComparison.Ordinal);
        Assert.Contains("plausible", Succeed(["ancestor", .. pair]), StringComparison.Ordinal);
        Assert.Contains("rank", Succeed(["scan", .. pair]), StringComparison.Ordinal);
        Succeed(["defend", .. pair, "--clean", TinyModel.WriteData(Path.Combine(_folder, "data.tsv")), "--output", cleaned, "--method", "fine-mixing", "--reserve-ratio", "0.5", "--epochs", "1", "--samples", "8", "--threads", "1"]);
        Succeed("verify", cleaned);

        var inputs = ProvenanceManifest.Read(cleaned).Inputs;
        Assert.Equal(["model.safetensors", "adapter_config.json", "adapter_model.safetensors"], inputs[0].Files.Select(f => f.Name));
        Assert.Equal(["model.safetensors"], inputs[1].Files.Select(f => f.Name));
    }

    private static string Succeed(params string[] arguments)
    {
        var result = Finemix.Run(arguments);
        Assert.True(result.ExitCode == 0, $"finemix {string.Join(' ', arguments)} ended with {result.ExitCode}: {result.Error}");
        return result.Output;
    }
}
