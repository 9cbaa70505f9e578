using FineMixing.Randomness;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Torch.Tests.Evaluation;

public class EvaluationPlanTests
{
    [Fact]
    public void Batches_MixedLengths_CoverEveryTextOnceWithinTheBudgetAndPadLittle()
    {
        var random = new DeterministicRandom(5);
        var lengths = Enumerable.Range(0, 3000).Select(_ => 4 + random.NextInt32(60)).ToArray();
        var batches = EvaluationPlan.Batches(lengths, 1024, 32);
        Assert.Equal(Enumerable.Range(0, lengths.Length), batches.SelectMany(b => b).Order());
        Assert.All(batches, b => Assert.InRange(b.Length * b.Max(i => lengths[i]), 1, 1024));
        Assert.InRange((double)batches.Sum(b => b.Length * b.Max(i => lengths[i])) / lengths.Sum(), 1, 1.02);
    }

    [Fact]
    public void Batches_FewTexts_SplitsWherePaddingCostsMoreThanABatch()
    {
        // One batch of these would hold 4 x 60 tokens; two hold 60 + 3 x 8.
        Assert.Equal([[2], [0, 1, 3]], EvaluationPlan.Batches([8, 8, 60, 8], 1024, 32));
        Assert.Equal([[2, 0, 1, 3]], EvaluationPlan.Batches([8, 8, 12, 8], 1024, 32));
    }

    [Fact]
    public void Batches_TextLongerThanTheBudget_StandsAlone()
    {
        Assert.Equal([[1], [0, 2]], EvaluationPlan.Batches([5, 100, 5], 50, 32));
        Assert.Empty(EvaluationPlan.Batches([], 50, 32));
    }
}
