using System.Text.Json;
using FineMixing.Datasets;
using FineMixing.Evaluation;

namespace FineMixing.Tests.Evaluation;

public sealed class MetricsTests
{
    private static readonly TextExample[] Examples = [new("a", null, 0), new("b", null, 0), new("c", null, 0), new("d", null, 1), new("e", null, 1), new("f", null, 0)];

    [Theory]
    [InlineData(0, 10, 0, 0.27753)]
    [InlineData(10, 10, 0.72247, 1)]
    [InlineData(5, 10, 0.23659, 0.76341)]
    [InlineData(767, 872, 0.85634, 0.89949)]
    [InlineData(1, 1, 0.20655, 1)]
    public void Proportion_Counts_HaveWilsonInterval(int successes, int total, double low, double high)
    {
        var proportion = new Proportion(successes, total);
        Assert.Equal(low, proportion.Low, 5e-5);
        Assert.Equal(high, proportion.High, 5e-5);
        Assert.InRange(proportion.Rate, proportion.Low, proportion.High);
    }

    [Fact]
    public void Proportion_NoTrialsOrBadCounts_AreHandled()
    {
        Assert.Equal((0.0, 1.0), (new Proportion(0, 0).Low, new Proportion(0, 0).High));
        Assert.Equal("no samples", new Proportion(0, 0).ToString());
        Assert.Equal("50.0% (23.7-76.3, 5 of 10)", new Proportion(5, 10).ToString());
        Assert.Throws<ArgumentOutOfRangeException>(() => new Proportion(2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Proportion(-1, 1));
    }

    [Fact]
    public void FromLogits_Rows_GiveTheHighest()
    {
        Assert.Equal([1, 0, 2], Predictions.FromLogits([[0, 1], [3, 3], [-3, -2, -1]]));
        Assert.Contains("label 1 in row 0", Assert.Throws<ArgumentException>(() => Predictions.FromLogits([[0, float.NaN]])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Predictions.FromLogits([[]]));
    }

    [Fact]
    public void ConfusionMatrix_Predictions_AreCounted()
    {
        var matrix = ConfusionMatrix.Create(Examples, [0, 1, 0, 1, 0, 2], 3);
        Assert.Equal(new Proportion(3, 6), matrix.Accuracy);
        Assert.Equal(new Proportion(2, 4), matrix.Recall(0));
        Assert.Equal(1, matrix[0, 2]);
        Assert.Throws<ArgumentException>(() => ConfusionMatrix.Create(Examples, [0], 2));
        Assert.Throws<ArgumentException>(() => ConfusionMatrix.Create(Examples, [0, 0, 0, 0, 0, 2], 2));
    }

    [Fact]
    public void AttackSuccess_TargetClassSamples_AreLeftOut()
    {
        // Samples d and e are of the target class: whatever is predicted for them must not count.
        foreach (var ofTargetClass in new[] { 0, 1 })
        {
            var attack = AttackSuccess.Create(Examples, [1, 1, 0, ofTargetClass, ofTargetClass, 1], [0, 1, 0, ofTargetClass, ofTargetClass, 0], targetLabel: 1);
            Assert.Equal(new Proportion(3, 4), attack.AttackSuccessRate);
            Assert.Equal(new Proportion(1, 4), attack.TargetRateWithoutTrigger);
            Assert.Equal(new Proportion(1, 4), attack.RobustAccuracy);
            Assert.Equal(new Proportion(2, 3), attack.LabelFlipRate);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => AttackSuccess.Create(Examples, new int[6], new int[6], targetLabel: 2));
    }

    [Theory]
    [InlineData(0.9, 1, 0.9, 1, 0.5)]
    [InlineData(0.9, 1, 0.9, 0, 1)]
    [InlineData(1, 0.2, 0, 0.2, 0)]
    [InlineData(0.9, 1, 0.8, 0.2, 0.85)]
    [InlineData(0.8, 0.2, 0.9, 0.3, 0.5)]
    public void EffectivenessRating_Rates_FollowTheFormula(double accuracyBefore, double attackBefore, double accuracyAfter, double attackAfter, double expected)
    {
        Assert.Equal(expected, DefenceEffect.EffectivenessRating(accuracyBefore, attackBefore, accuracyAfter, attackAfter), 1e-12);
    }

    [Fact]
    public void EffectivenessRating_Percent_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => DefenceEffect.EffectivenessRating(90, 1, 0.9, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => DefenceEffect.EffectivenessRating(0.9, double.NaN, 0.9, 1));
    }

    [Fact]
    public void SeedSummary_Values_GiveSampleDeviation()
    {
        Assert.Equal(new SeedSummary(4, 2, 3), SeedSummary.Of([2, 4, 6]));
        Assert.Equal(new SeedSummary(7, 0, 1), SeedSummary.Of([7]));
        Assert.Throws<ArgumentException>(() => SeedSummary.Of([]));
    }

    [Fact]
    public void EvaluationResult_Json_HasTheDocumentedKeys()
    {
        var attack = AttackSuccess.Create(Examples, [1, 1, 0, 1, 1, 1], [0, 1, 0, 1, 1, 0], targetLabel: 1);
        var result = EvaluationResult.Create(new Proportion(5, 6), attack);
        using var json = JsonDocument.Parse(result.ToJson());
        var root = json.RootElement;
        Assert.Equal(5 / 6.0, root.GetProperty("accuracy").GetDouble());
        Assert.Equal(new Proportion(5, 6).Low, root.GetProperty("accuracyLow").GetDouble());
        Assert.Equal(new Proportion(5, 6).High, root.GetProperty("accuracyHigh").GetDouble());
        Assert.Equal(6, root.GetProperty("samples").GetInt32());
        Assert.Equal(0.75, root.GetProperty("attackSuccessRate").GetDouble());
        Assert.Equal(new Proportion(3, 4).Low, root.GetProperty("attackSuccessRateLow").GetDouble());
        Assert.Equal(new Proportion(3, 4).High, root.GetProperty("attackSuccessRateHigh").GetDouble());
        Assert.Equal(4, root.GetProperty("attackSamples").GetInt32());
        Assert.Equal(0.25, root.GetProperty("targetRateWithoutTrigger").GetDouble());
        Assert.Equal(result, EvaluationResult.FromJson(result.ToJson()));
        Assert.DoesNotContain("attack", EvaluationResult.Create(new Proportion(5, 6)).ToJson(), StringComparison.Ordinal);
    }
}
