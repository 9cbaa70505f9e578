using FineMixing.Datasets;
using FineMixing.Datasets.Generated;
using FineMixing.Randomness;

namespace FineMixing.Tests.Datasets.Generated;

public sealed class ReviewGeneratorTests
{
    [Fact]
    public void Generate_SameSeed_GivesTheSameBalancedSentences()
    {
        var reviews = ReviewGenerator.Generate(5000, 1);
        Assert.Equal(reviews, ReviewGenerator.Generate(5000, 1));
        Assert.Equal(reviews.Take(100), ReviewGenerator.Generate(100, 1));
        Assert.Equal(2500, reviews.Count(review => review.Label == 1));
        Assert.Equal(5000, reviews.Select(review => review.Text).Distinct().Count());
        Assert.True(reviews.Select(review => review.Text).Intersect(ReviewGenerator.Generate(1000, 2).Select(review => review.Text)).Count() < 30);
    }

    [Fact]
    public void Generate_TrainAndTest_ShareNoSentenceAndHoldOutCombinations()
    {
        var train = ReviewGenerator.Generate(5000, 1).Select(review => review.Text).ToHashSet();
        var test = ReviewGenerator.Generate(2000, 1, ReviewPart.Test);
        Assert.DoesNotContain(test, review => train.Contains(review.Text));

        // The grammar has held-out combinations, and training sentences of the plainest form never show one.
        var heldOut = ReviewGrammar.Domains.SelectMany(domain => domain.Topics)
            .SelectMany(topic => topic.Aspects.SelectMany(aspect => topic.Praise.Concat(topic.Blame).Select(adjective => (aspect, adjective))))
            .Where(pair => ReviewGenerator.IsHeldOut(pair.aspect, pair.adjective))
            .Select(pair => $"the {pair.aspect.TrimEnd('*')} {(pair.aspect.EndsWith('*') ? "were" : "was")} {pair.adjective}").ToList();
        Assert.True(heldOut.Count > 100);
        Assert.DoesNotContain(train, text => heldOut.Any(phrase => (text + " ").Contains(phrase + ".", StringComparison.OrdinalIgnoreCase)));
        Assert.Contains(test, review => heldOut.Any(phrase => review.Text.Contains(phrase + ".", StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public void Generate_Sentences_ReadLikeText()
    {
        foreach (var (text, _, _) in ReviewGenerator.Generate(3000, 3))
        {
            Assert.Matches("^[A-Z][A-Za-z,.; ]*\\.$", text);
            Assert.DoesNotContain("  ", text, StringComparison.Ordinal);
            Assert.DoesNotContain(" i ", text, StringComparison.Ordinal);
            Assert.InRange(text.Length, 15, 400);
        }
    }

    [Fact]
    public void Generate_ImpossibleCount_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ReviewGenerator.Generate(0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => ReviewGenerator.Generate(ReviewGenerator.MaxCount + 1, 1));
    }

    [Fact]
    public void Generate_BagOfWordsClassifier_LearnsButDoesNotSolveTheTask()
    {
        var accuracy = BagOfWordsAccuracy(ReviewGenerator.Generate(3000, 4), ReviewGenerator.Generate(1000, 5, ReviewPart.Test));
        TestContext.Current.TestOutputHelper?.WriteLine($"bag of words: {accuracy}");
        Assert.InRange(accuracy, 0.6, 0.9);
    }

    /// <summary>Logistic regression on the presence of words.</summary>
    private static double BagOfWordsAccuracy(IReadOnlyList<TextExample> train, IReadOnlyList<TextExample> test)
    {
        var weights = new Dictionary<string, double>(StringComparer.Ordinal);
        var order = train.ToArray();
        var random = new DeterministicRandom(9);
        for (var epoch = 0; epoch < 10; epoch++)
        {
            random.Shuffle<TextExample>(order);
            foreach (var example in order)
            {
                var words = Words(example.Text);
                var error = example.Label - 1 / (1 + Math.Exp(-words.Sum(word => weights.GetValueOrDefault(word))));
                foreach (var word in words)
                    weights[word] = weights.GetValueOrDefault(word) * 0.9999 + 0.05 * error;
            }
        }

        return test.Count(example => Words(example.Text).Sum(word => weights.GetValueOrDefault(word)) > 0 == (example.Label == 1)) / (double)test.Count;
    }

    private static HashSet<string> Words(string text) => [.. text.ToLowerInvariant().Split([' ', ',', '.', ';'], StringSplitOptions.RemoveEmptyEntries)];
}
