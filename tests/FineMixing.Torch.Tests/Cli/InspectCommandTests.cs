using System.Text.Json;
using FineMixing.Checkpoints;

namespace FineMixing.Torch.Tests.Cli;

public sealed class InspectCommandTests : IDisposable
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
        Assert.Matches(@"layer\.weight +F32 +\[2, 3\] +6", result.Output);
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
            ["DOTNET_STARTUP_HOOKS"] = typeof(InspectCommandTests).Assembly.Location,
            [StartupHook.ListVariable] = list,
        });

        Assert.Equal(0, result.ExitCode);
        var loaded = File.ReadAllLines(list);
        Assert.Contains("FineMixing.Core", loaded);
        Assert.DoesNotContain("TorchSharp", loaded);
        Assert.DoesNotContain("FineMixing.Torch", loaded);
    }

    private string WriteModel(string tensor)
    {
        var folder = Path.Combine(_folder, "model");
        using var weights = new StateDict();
        weights.Add(HostTensor.FromFloat32(tensor, [2, 3], [1, 2, 3, 4, 5, 6]));
        CheckpointWriter.Write(weights, folder);
        return folder;
    }
}
