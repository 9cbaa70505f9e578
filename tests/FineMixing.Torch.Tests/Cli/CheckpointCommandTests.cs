using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Provenance;

namespace FineMixing.Torch.Tests.Cli;

public sealed class CheckpointCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-inspect-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Inspect_Model_ListsTensorsAndTotals()
    {
        var model = WriteModel("layer.weight");
        var json = Path.Combine(_folder, "result.json");

        var result = Finemix.Run("inspect", model, "--json", json);

        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"layer\.weight +F32 +\[2, 3\] +1 +6 +3\.5 +0 +0", result.Output);
        using var document = JsonDocument.Parse(File.ReadAllText(json));
        Assert.Equal(6, document.RootElement.GetProperty("values").GetInt64());
        Assert.Equal("layer.weight", document.RootElement.GetProperty("tensors")[0].GetProperty("name").GetString());
    }

    [Fact]
    public void Inspect_EscapeSequenceInName_DoesNotReachTheTerminal()
    {
        var result = Finemix.Run("inspect", WriteModel("evil\u001b[2Jname"));

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("evil\uFFFD[2Jname", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', result.Output);
    }

    [Fact]
    public void Inspect_NoTorchCommand_DoesNotLoadTorchSharp()
    {
        var list = Path.Combine(_folder, "assemblies.txt");

        var result = Finemix.Run(["inspect", WriteModel("w")], input: null, new Dictionary<string, string>
        {
            ["DOTNET_STARTUP_HOOKS"] = typeof(CheckpointCommandTests).Assembly.Location,
            [StartupHook.ListVariable] = list,
        });

        Assert.Equal(0, result.ExitCode);
        var loaded = File.ReadAllLines(list);
        Assert.Contains("FineMixing.Core", loaded);
        Assert.DoesNotContain("TorchSharp", loaded);
    }

    [Fact]
    public void Verify_ChangedFile_ExitsWithOneAndNamesIt()
    {
        var model = WriteModel("w");
        var weights = Path.Combine(model, Checkpoint.SafetensorsFile);
        File.WriteAllBytes(Path.Combine(model, ProvenanceManifest.FileName), new ProvenanceManifest { Method = "test", Outputs = [HashedFile.Of(weights)] }.ToBytes());
        Assert.Equal(0, Finemix.Run("verify", model).ExitCode);

        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        var result = Finemix.Run("verify", model);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains(Checkpoint.SafetensorsFile, result.Output, StringComparison.Ordinal);
        Assert.Single(result.ErrorLines);
    }

    [Fact]
    public void Compare_OtherShapes_ListsAllAndExitsWithOne()
    {
        var suspect = WriteModel("encoder.a", "encoder.b");
        var other = WriteModel("encoder.c");

        var result = Finemix.Run("compare", "--suspect", suspect, "--base", other);

        Assert.Equal(1, result.ExitCode);
        var line = Assert.Single(result.ErrorLines);
        Assert.Contains("encoder.a", line, StringComparison.Ordinal);
        Assert.Contains("encoder.b", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Ancestor_OwnBase_IsPlausibleAndUnrelatedIsRefused()
    {
        var suspect = WriteModel("encoder.weight");
        Assert.Equal(0, Finemix.Run("ancestor", "--suspect", suspect, "--base", suspect).ExitCode);

        var unrelated = Path.Combine(_folder, "unrelated");
        using var weights = new StateDict();
        weights.Add(HostTensor.FromFloat32("encoder.weight", [2, 3], [1, -1, 1, -1, 1, -1]));
        CheckpointWriter.Write(weights, unrelated);
        var result = Finemix.Run("ancestor", "--suspect", suspect, "--base", unrelated);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("hardly", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    private string WriteModel(params string[] tensors)
    {
        var folder = Path.Combine(_folder, string.Join('+', tensors.Select(t => t.Length)) + tensors[0][^1]);
        using var weights = new StateDict();
        foreach (var tensor in tensors)
            weights.Add(HostTensor.FromFloat32(tensor, [2, 3], [1, 2, 3, 4, 5, 6]));
        CheckpointWriter.Write(weights, folder);
        return folder;
    }
}
