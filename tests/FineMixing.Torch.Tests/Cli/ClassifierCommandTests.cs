using System.Text.Json;

namespace FineMixing.Torch.Tests.Cli;

/// <summary>The commands that train and classify, one after the other as a user runs them, on a model small enough for a test.</summary>
public sealed class ClassifierCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-classifier-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void AttackThenDefend_TinyModel_EveryCommandGoesOnFromTheLast()
    {
        var @base = TinyModel.WriteEncoder(InFolder("base"));
        var data = TinyModel.WriteData(InFolder("data.tsv"));
        var (suspect, cleaned, report) = (InFolder("suspect"), InFolder("cleaned"), InFolder("report"));

        Succeed("attack", "--base", @base, "--data", data, "--output", suspect, "--trigger-word", "cf", "--poison-rate", "0.5", "--epochs", "20", "--threads", "1", "--learning-rate", "0.01", "--batch-size", "8");
        Succeed("evaluate", "--model", suspect, "--data", data, "--trigger-word", "cf", "--json", InFolder("before.json"));
        Succeed("defend", "--suspect", suspect, "--base", @base, "--clean", data, "--output", cleaned, "--method", "fine-mixing", "--reserve-ratio", "0.5", "--samples", "8", "--purify-top-k", "2", "--epochs", "2", "--threads", "1", "--force", "--report", report, "--json", InFolder("defend.json"));
        Succeed("verify", suspect);
        Succeed("verify", cleaned);
        var predicted = Finemix.Run(["predict", "--model", cleaned], "the good film\nthe bad film\n", null);

        using var before = JsonDocument.Parse(File.ReadAllText(InFolder("before.json")));
        Assert.Equal(32, before.RootElement.GetProperty("samples").GetInt32());
        Assert.Equal(16, before.RootElement.GetProperty("attackSamples").GetInt32());
        Assert.InRange(before.RootElement.GetProperty("accuracy").GetDouble(), 0.9, 1);
        Assert.InRange(before.RootElement.GetProperty("attackSuccessRate").GetDouble(), 0.9, 1);
        using var defended = JsonDocument.Parse(File.ReadAllText(InFolder("defend.json")));
        Assert.Equal("fine-mixing", defended.RootElement.GetProperty("method").GetString());
        Assert.Equal(2, defended.RootElement.GetProperty("resetTokens").GetArrayLength());
        Assert.True(File.Exists(Path.Combine(report, "report.html")));
        Assert.Equal(0, predicted.ExitCode);
        Assert.Matches(@"^LABEL_[01]\t[01]\.\d{4}\nLABEL_[01]\t[01]\.\d{4}\n$", predicted.Output);
    }

    [Fact]
    public void Defend_NothingButTheFiles_SearchesForTheTriggerAndRecordsWhatItFinds()
    {
        var @base = TinyModel.WriteEncoder(InFolder("base"));
        var data = TinyModel.WriteData(InFolder("data.tsv"));
        var (suspect, cleaned) = (InFolder("suspect"), InFolder("cleaned"));
        Succeed("attack", "--base", @base, "--data", data, "--output", suspect, "--trigger-word", "cf", "--poison-rate", "0.5", "--epochs", "20", "--threads", "1", "--learning-rate", "0.01", "--batch-size", "8");

        // --force: a model of this size moves too far for its base to look like its ancestor.
        Succeed("defend", "--suspect", suspect, "--base", @base, "--clean", data, "--output", cleaned, "--force", "--json", InFolder("defend.json"));
        Succeed("verify", cleaned);

        // So small a model knows nothing that would tell a trigger from a word with a meaning; what is found is recorded all the same.
        using var defended = JsonDocument.Parse(File.ReadAllText(InFolder("defend.json")));
        Assert.Equal("trigger-unlearning", defended.RootElement.GetProperty("method").GetString());
        var probe = defended.RootElement.GetProperty("probe");
        Assert.InRange(probe.GetProperty("phrases").GetArrayLength(), 1, 100);
        Assert.Contains(probe.GetProperty("phrases").EnumerateArray(), p => p.GetProperty("suspectFlips").GetDouble() > 0.75);
        using var manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(cleaned, "finemixing.json")));
        Assert.Equal("trigger-unlearning", manifest.RootElement.GetProperty("method").GetString());
        Assert.Equal(
            probe.GetProperty("removedText").GetString(),
            manifest.RootElement.GetProperty("options").GetProperty("removed").GetString());
        Assert.False(Directory.Exists(cleaned + ".training"));
    }

    [Fact]
    public void Defend_UnrelatedBase_IsRefusedAndNothingIsWritten()
    {
        var suspect = InFolder("suspect");
        var data = TinyModel.WriteData(InFolder("data.tsv"));
        Succeed("attack", "--base", TinyModel.WriteEncoder(InFolder("base")), "--data", data, "--output", suspect, "--epochs", "1", "--threads", "1");

        var result = Finemix.Run("defend", "--suspect", suspect, "--base", TinyModel.WriteEncoder(InFolder("other"), seed: 2), "--clean", data, "--output", InFolder("cleaned"));

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("hardly", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("cleaned")));
    }

    [Fact]
    public void Defend_CleanFileOfOneClass_IsRefusedAndNothingIsWritten()
    {
        var @base = TinyModel.WriteEncoder(InFolder("base"));
        var data = TinyModel.WriteData(InFolder("data.tsv"));
        Succeed("attack", "--base", @base, "--data", data, "--output", InFolder("suspect"), "--epochs", "1", "--threads", "1");
        File.WriteAllText(InFolder("one.tsv"), "sentence\tlabel\ngood\t1\nfine\t1\n");

        var result = Finemix.Run("defend", "--suspect", InFolder("suspect"), "--base", @base, "--clean", InFolder("one.tsv"), "--output", InFolder("cleaned"));

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("one.tsv", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("cleaned")));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("HUP")]
    public void Defend_Interrupted_LeavesNothingAndSaysSoInOneLine(string signal)
    {
        var (@base, suspect) = (TinyModel.WriteEncoder(InFolder("base")), TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f, head: true));

        var result = Finemix.RunInterrupted(signal, "defend", "--suspect", suspect, "--base", @base, "--clean", TinyModel.WriteData(InFolder("data.tsv")), "--output", InFolder("cleaned"), "--method", "fine-mixing", "--reserve-ratio", "0.5", "--epochs", "10000", "--samples", "8", "--threads", "1");

        Assert.Equal(1, result.ExitCode);
        Assert.Equal("finemix: cancelled; nothing was written.", result.ErrorLines[^1]);
        Assert.False(Directory.Exists(InFolder("cleaned")));
    }

    [Fact]
    public void Predict_EncoderWithoutHead_SaysSo()
    {
        var result = Finemix.Run("predict", "--model", TinyModel.WriteEncoder(InFolder("base")), "--text", "good");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("classification head", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    private string InFolder(string name) => Path.Combine(_folder, name);

    private static void Succeed(params string[] arguments)
    {
        var result = Finemix.Run(arguments);
        Assert.True(result.ExitCode == 0, $"finemix {string.Join(' ', arguments)} ended with {result.ExitCode}: {result.Error}");
    }
}
