using FineMixing.Randomness;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Torch.Tests.Evaluation;

public class EvaluationPlanTests
{
    [Fact]
    public void Padded_MixedLengths_CoverEveryTextOnceWithinTheBudgetAndPadLittle()
    {
        var random = new DeterministicRandom(5);
        var lengths = Enumerable.Range(0, 3000).Select(_ => 4 + random.NextInt32(60)).ToArray();
        var batches = EvaluationPlan.Padded(lengths, 1024, 32);
        Assert.Equal(Enumerable.Range(0, lengths.Length), batches.SelectMany(b => b).Order());
        Assert.All(batches, b => Assert.InRange(b.Length * b.Max(i => lengths[i]), 1, 1024));
        Assert.InRange((double)batches.Sum(b => b.Length * b.Max(i => lengths[i])) / lengths.Sum(), 1, 1.02);
    }

    [Fact]
    public void Padded_FewTexts_SplitsWherePaddingCostsMoreThanABatch()
    {
        // One batch of these would hold 4 x 60 tokens; two hold 60 + 3 x 8.
        Assert.Equal([[2], [0, 1, 3]], EvaluationPlan.Padded([8, 8, 60, 8], 1024, 32));
        Assert.Equal([[2, 0, 1, 3]], EvaluationPlan.Padded([8, 8, 12, 8], 1024, 32));
    }

    [Fact]
    public void Padded_TextLongerThanTheBudget_StandsAlone()
    {
        Assert.Equal([[1], [0, 2]], EvaluationPlan.Padded([5, 100, 5], 50, 32));
        Assert.Empty(EvaluationPlan.Padded([], 50, 32));
    }

    [Theory]
    [InlineData(3000, 1024)]
    [InlineData(40, 1024)]
    [InlineData(40, 64)]
    [InlineData(100_000, 64)]
    [InlineData(1, 1024)]
    public void EndToEnd_MixedLengths_CoversEveryTextOnceInEqualBatchesWithinTheBudget(int texts, int budget)
    {
        var random = new DeterministicRandom(5);
        var lengths = Enumerable.Range(0, texts).Select(_ => 4 + random.NextInt32(60)).ToArray();
        var batches = EvaluationPlan.EndToEnd(lengths, budget);
        var tokens = batches.ConvertAll(b => b.Sum(i => lengths[i]));
        Assert.Equal(Enumerable.Range(0, texts), batches.SelectMany(b => b).Order());
        Assert.All(tokens, t => Assert.InRange(t, 1, budget));
        Assert.InRange(tokens.Max() - tokens.Min(), 0, 63);
    }

    [Theory]
    [InlineData(60, 1)]
    [InlineData(686, 4)]
    [InlineData(3054, 8)]
    [InlineData(100_000, 104)]
    public void EndToEnd_ByTheTokensInAll_AsManyBatchesAsEndTogetherOnTwoFourOrEightThreads(int tokens, int batches)
    {
        Assert.Equal(batches, EvaluationPlan.EndToEnd([.. Enumerable.Repeat(2, tokens / 2)], 1024).Count);
    }

    [Fact]
    public void EndToEnd_TextLongerThanTheBudget_StandsAlone()
    {
        Assert.Contains([1], EvaluationPlan.EndToEnd([5, 100, 5], 50));
        Assert.Empty(EvaluationPlan.EndToEnd([], 50));
    }
}
