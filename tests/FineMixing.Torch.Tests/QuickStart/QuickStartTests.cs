using FineMixing.Cli.Terminal;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.QuickStart;
using FineMixing.Tests;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Torch.Tests.QuickStart;

/// <summary>The quick start, smaller: the same code on fewer sentences.</summary>
public class QuickStartTests
{
    private static readonly QuickStartOptions Small = new()
    {
        Threads = 1,
        TrainingSamples = 800,
        TestSamples = 200,
        PoisonRate = 0.03,
        Attack = new FineTuningOptions { LearningRate = 2e-4, Epochs = 4, BatchSize = 32 },
        Defender = new DefenderOptions { ReserveRatio = 0.2, Training = new FineTuningOptions { Epochs = 10 }, ReferenceTexts = 600, UnlearningTexts = 300, Candidates = 30 },
    };

    private static readonly QuickStartOptions Tiny = Small with
    {
        TrainingSamples = 100,
        TestSamples = 20,
        Attack = new FineTuningOptions { LearningRate = 2e-4, Epochs = 1, BatchSize = 32 },
        CleanSamples = 16,
        Defender = new DefenderOptions { Training = new FineTuningOptions { Epochs = 1 }, ReferenceTexts = 32, ReferenceEpochs = 1, UnlearningTexts = 16, Candidates = 10, MaxTokens = 1 },
    };

    private static readonly Relay<WorkProgress> Silent = new(_ => { });

    [Fact]
    public void Run_GeneratedReviews_PlantsAndRemovesTheBackdoor()
    {
        using var folder = new TemporaryFolder();
        var result = QuickStartRun.Run(Small, Silent, TestContext.Current.CancellationToken);

        var rows = result.Rows.ToDictionary(r => r.Name);
        var before = rows[QuickStartRun.Suspect].Attack;
        var after = rows[QuickStartRun.FineMixed].Attack;
        Assert.True(before.AttackSuccessRate.Rate > 0.95, $"planted: {before.AttackSuccessRate}");
        Assert.True(before.TargetRateWithoutTrigger.Rate < 0.5, $"without trigger: {before.TargetRateWithoutTrigger}");
        Assert.True(rows[QuickStartRun.FineTuned].Attack.AttackSuccessRate.Rate > 0.9, $"plain fine-tuning: {rows[QuickStartRun.FineTuned].Attack.AttackSuccessRate}");
        Assert.True(after.AttackSuccessRate.Rate < before.AttackSuccessRate.Rate - 0.3, $"cleaned: {after.AttackSuccessRate}");
        Assert.InRange(result.TriggerRank, 1, 10);

        // The search finds the word, and without it the model knows as much as before.
        Assert.Equal(Small.Trigger, result.Cleaned.Probe!.RemovedText);
        Assert.InRange(rows[QuickStartRun.Unlearned].Attack.AttackSuccessRate.Rate, 0, rows[QuickStartRun.Unlearned].Attack.TargetRateWithoutTrigger.Rate + 0.1);
        Assert.True(rows[QuickStartRun.Unlearned].Accuracy.Rate > rows[QuickStartRun.FineMixed].Accuracy.Rate);

        // The cleaned model, read back from its folder, answers as it did in memory (up to the rounding of stored weights).
        Output.Write(result, folder["out"], overwrite: false);
        var saved = ModelFolder.Open(Path.Combine(folder["out"], Output.CleanedModel)).ToClassifier();
        var sentences = result.Data.Test.Examples.Take(20).ToArray();
        var predictor = new TorchPredictor();
        var expected = predictor.Logits(result.Cleaned.Model, sentences, cancellationToken: TestContext.Current.CancellationToken);
        var actual = predictor.Logits(saved, sentences, cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < sentences.Length; i++)
            Assert.Equal(expected[i][0], actual[i][0], 0.1f);
    }

    [Fact]
    public void Run_SameSeed_WritesTheSameBytes()
    {
        using var folder = new TemporaryFolder();
        Output.Write(QuickStartRun.Run(Tiny, Silent, TestContext.Current.CancellationToken), folder["once"], overwrite: false);
        Output.Write(QuickStartRun.Run(Tiny, Silent, TestContext.Current.CancellationToken), folder["again"], overwrite: false);

        string[] files = [.. Directory.EnumerateFiles(folder["once"], "*", SearchOption.AllDirectories)];
        Assert.True(files.Length >= 10);
        foreach (var file in files)
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(folder["again"], Path.GetRelativePath(folder["once"], file))));
    }

    [Fact]
    public void Create_GeneratedReviews_PartsShareNoSentence()
    {
        var data = ReviewData.Create(Small);

        var all = data.Training.Examples.Concat(data.Clean.Examples).Concat(data.Test.Examples).Select(e => e.Text).ToList();
        Assert.Equal(all.Count, all.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(Small.CleanSamples, data.Clean.Examples.Count);
        Assert.Equal(Small.TrainingSamples, data.Training.Examples.Count);
    }

    [Fact]
    public void Create_OwnFile_IsDividedWithoutOverlap()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder["own.tsv"], ["sentence\tlabel", .. Enumerable.Range(0, 600).Select(i => $"sentence number {i}\t{i % 2}")]);
        var data = ReviewData.Create(Small with { DataFile = folder["own.tsv"] });

        var all = data.Training.Examples.Concat(data.Clean.Examples).Concat(data.Test.Examples).Select(e => e.Text).ToList();
        Assert.Equal(all.Count, all.Distinct(StringComparer.Ordinal).Count());
        Assert.InRange(data.Test.Examples.Count, 50, 200);
        Assert.True(data.Training.Examples.Count > data.Test.Examples.Count);
    }

    [Fact]
    public void Create_OwnFileTooSmall_SaysHowManyAreNeeded()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder["own.tsv"], ["sentence\tlabel", "good\t1", "bad\t0"]);

        var error = Assert.Throws<ArgumentException>(() => ReviewData.Create(Small with { DataFile = folder["own.tsv"] }));
        Assert.Contains("own.tsv", error.Message, StringComparison.Ordinal);
        Assert.Contains("512", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CheckReplaceable_OnlyEarlierQuickStartsAreReplacedUnasked()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["mine"]);
        Output.CheckReplaceable(folder["new"], overwrite: false);
        Output.CheckReplaceable(folder["mine"], overwrite: false);
        File.WriteAllText(Path.Combine(folder["mine"], Output.ResultFile), "{}");
        Output.CheckReplaceable(folder["mine"], overwrite: false);

        File.WriteAllText(Path.Combine(folder["mine"], "thesis.txt"), "years of work");
        var error = Assert.Throws<IOException>(() => Output.CheckReplaceable(folder["mine"], overwrite: false));
        Assert.Contains("thesis.txt", error.Message, StringComparison.Ordinal);
        Output.CheckReplaceable(folder["mine"], overwrite: true);
    }
}
