using FineMixing.Datasets;
using FineMixing.Distillation;

namespace FineMixing.Tests.Distillation;

public sealed class TextMakerTests : IDisposable
{
    private static readonly CleanSet Samples = CleanSet.FromExamples([
        new("the film was good", null, 1), new("awful music and dull plot", null, 0), new("very warm", null, 1), new("not the end", null, 0)]);

    private static readonly DistillationOptions Unchanged = new() { Texts = 400, Crossovers = 0, NeighbourShare = 0, RandomShare = 0 };

    private readonly WordModel _model = new();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Make_NoChanges_GivesTheSamples()
    {
        var made = Make(Unchanged);
        Assert.Equal(400, made.Count);
        Assert.Equal(Samples.Examples.Select(e => e.Text).Order(), made.Select(t => t.Text).Distinct().Order());
    }

    [Fact]
    public void Make_SameSeed_GivesTheSameTexts()
    {
        var options = new DistillationOptions { Texts = 200 };
        Assert.Equal(Make(options), Make(options));
        Assert.NotEqual(Make(options), Make(options, seed: 2));
    }

    [Fact]
    public void Make_FewerTexts_GivesTheFirstOfMore() =>
        Assert.Equal(Make(new DistillationOptions { Texts = 50 }), Make(new DistillationOptions { Texts = 200 }).Take(50));

    [Fact]
    public void Make_NeighboursOnly_ReplacesTheWantedShareByNeighbours()
    {
        var neighbours = _model.Neighbours();
        var sample = CleanSet.FromExamples([new("the film was good", null, 1), new("the film was good", null, 0)]);
        var made = new TextMaker(_model.Tokenizer, neighbours, Unchanged with { NeighbourShare = 0.4, Neighbours = 3 }).Make(sample, 1);
        string[] original = ["the", "film", "was", "good"];
        var changed = 0;
        foreach (var text in made)
        {
            var words = text.Text.Split(' ');
            Assert.Equal(4, words.Length);
            for (var i = 0; i < 4; i++)
            {
                if (words[i] == original[i])
                    continue;
                changed++;
                Assert.Contains(_model.IdOf(words[i]), neighbours.Of(_model.IdOf(original[i]), 3));
            }
        }

        // Binomial(1600, 0.4): four standard deviations are 78.
        Assert.InRange(changed, 640 - 78, 640 + 78);
    }

    [Fact]
    public void Make_RandomWordsOnly_DrawsFromTheFrequentOnes()
    {
        var made = Make(Unchanged with { RandomShare = 1, FrequentWords = 5 });
        Assert.Equal(WordModel.Words.Take(5).Order(), made.SelectMany(t => t.Text.Split(' ')).Distinct().Order());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Make_Crossovers_JoinABeginningAndAnEnd(int pieces)
    {
        var texts = Samples.Examples.Select(e => e.Text.Split(' ')).ToArray();
        var made = Make(Unchanged with { Crossovers = 1, Pieces = pieces });
        Assert.All(made, t =>
        {
            var words = t.Text.Split(' ');
            Assert.Contains(texts, s => s[0] == words[0]);
            Assert.Contains(texts, s => s[^1] == words[^1]);
        });

        // More pieces than two can make texts longer than any two samples.
        Assert.Equal(pieces > 2, made.Any(t => t.Text.Split(' ').Length > 10));
    }

    [Fact]
    public void Make_Pairs_ChangesAWordAlikeInBoth()
    {
        var pairs = CleanSet.FromExamples([new("the film was good", "was the film good", 0), new("bad plot", "plot was bad", 1)]);
        var made = new TextMaker(_model.Tokenizer, _model.Neighbours(), new DistillationOptions { Texts = 300, Crossovers = 0, NeighbourShare = 0.5, Neighbours = 6, RandomShare = 0.1 }).Make(pairs, 3);
        Assert.All(made.Where(t => t.Text.Split(' ').Length == 4), t =>
        {
            var (a, b) = (t.Text.Split(' '), t.TextPair!.Split(' '));
            Assert.Equal([a[2], a[0], a[1], a[3]], b);
        });
        Assert.Contains(made, t => t.Text is not ("the film was good" or "bad plot"));
    }

    [Fact]
    public void Make_WordOfSeveralPieces_StaysWhole()
    {
        var sample = CleanSet.FromExamples([new("filming scenes", null, 1), new("filming scenes", null, 0)]);
        Assert.All(new TextMaker(_model.Tokenizer, _model.Neighbours(), Unchanged with { NeighbourShare = 1 }).Make(sample, 1), t => Assert.Equal("filming scenes", t.Text));
    }

    [Fact]
    public void Options_OutOfRange_AreAllListed()
    {
        var bad = new DistillationOptions { Texts = 0, Crossovers = 2, NeighbourShare = 0.7, RandomShare = 0.7, Temperature = 0, Pieces = 1, SampleRepeats = 0, Neighbours = 0, FrequentWords = 0 };
        var message = Assert.Throws<ArgumentException>(bad.Validate).Message;
        Assert.All(["Texts", "Crossovers", "NeighbourShare", "Temperature", "Pieces", "SampleRepeats", "Neighbours is", "FrequentWords"], name => Assert.Contains(name, message));
    }

    private IReadOnlyList<TextExample> Make(DistillationOptions options, ulong seed = 1) => new TextMaker(_model.Tokenizer, _model.Neighbours(), options).Make(Samples, seed);
}
