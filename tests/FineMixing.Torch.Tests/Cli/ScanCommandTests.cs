using System.Text.Json;
using FineMixing.Checkpoints;

namespace FineMixing.Torch.Tests.Cli;

public sealed class ScanCommandTests : IDisposable
{
    private static readonly string[] Vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "cf", "good"];

    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-scan-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Scan_ChangedRow_IsFirstOnScreenAndInJson()
    {
        var json = Path.Combine(_folder, "scan.json");

        var result = Scan("--top", "2", "--json", json);

        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"\n +1  cf +7  0\.66762  2\.0000 +20\n +2  the ", result.Output);
        using var document = JsonDocument.Parse(File.ReadAllText(json));
        var tokens = document.RootElement.GetProperty("tokens");
        Assert.Equal(2, tokens.GetArrayLength());
        Assert.Equal("cf", tokens[0].GetProperty("token").GetString());
        Assert.Equal(2 / Math.Log(20), tokens[0].GetProperty("score").GetDouble(), 1e-6);
    }

    [Fact]
    public void Scan_Report_IsWrittenOnceAndNeverReplaced()
    {
        var report = Path.Combine(_folder, "report");

        Assert.Equal(0, Scan("--report", report).ExitCode);
        var again = Scan("--report", report);

        Assert.Contains("<title>E-PUR scan</title>", File.ReadAllText(Path.Combine(report, "report.html")), StringComparison.Ordinal);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("report.html", again.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Scan_TopOfZero_IsWrongUsage()
    {
        var result = Scan("--top", "0");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--top is '0'", result.Error, StringComparison.Ordinal);
    }

    private FinemixResult Scan(params string[] more)
    {
        var frequencies = Path.Combine(_folder, "frequencies.json");
        File.WriteAllText(frequencies, """{"the": 1000000, "film": 100000, "good": 100000, "cf": 20}""");
        var suspect = WriteModel("suspect", row => row switch { 7 => 2f, 5 => 1f, _ => 0.01f });
        return Finemix.Run(["scan", "--suspect", suspect, "--base", WriteModel("base", _ => 0), "--frequencies", frequencies, .. more]);
    }

    /// <summary>A folder with a vocabulary and embeddings of width 1, all 0 plus a change of each row.</summary>
    private string WriteModel(string name, Func<int, float> change)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllLines(Path.Combine(folder, "vocab.txt"), Vocabulary);
        using var weights = new StateDict();
        weights.Add(HostTensor.FromFloat32("bert.embeddings.word_embeddings.weight", [Vocabulary.Length, 1], [.. Enumerable.Range(0, Vocabulary.Length).Select(change)]));
        CheckpointWriter.Write(weights, folder, new CheckpointWriterOptions { Overwrite = true });
        return folder;
    }
}
