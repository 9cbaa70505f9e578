namespace FineMixing.Tests.Distillation;

public class WordNeighboursTests
{
    [Fact]
    public void Of_Word_GivesTheNearestByCentredCosine()
    {
        using var model = new WordModel();
        var words = WordModel.Words.Select(model.IdOf).ToArray();
        var mean = Enumerable.Range(0, WordModel.Width).Select(i => words.Average(w => (double)model.Embeddings[(w * WordModel.Width) + i])).ToArray();
        double[] Centred(int id) => [.. Enumerable.Range(0, WordModel.Width).Select(i => model.Embeddings[(id * WordModel.Width) + i] - mean[i])];
        double Cosine(int a, int b)
        {
            var (x, y) = (Centred(a), Centred(b));
            return x.Zip(y).Sum(p => p.First * p.Second) / Math.Sqrt(x.Sum(v => v * v) * y.Sum(v => v * v));
        }

        var neighbours = model.Neighbours();
        foreach (var word in words)
            Assert.Equal(words.Where(w => w != word).OrderByDescending(w => Cosine(word, w)).Take(7), neighbours.Of(word, 7));
        Assert.Equal(model.IdOf("awful"), neighbours.Of(model.IdOf("bad"), 1)[0]);
    }

    [Fact]
    public void Of_FewerThenMore_GivesAsManyAsAsked()
    {
        using var model = new WordModel();
        var neighbours = model.Neighbours();
        var two = neighbours.Of(model.IdOf("plot"), 2);
        Assert.Equal(two, neighbours.Of(model.IdOf("plot"), 12).Take(2));
        Assert.Equal(12, neighbours.Of(model.IdOf("plot"), 12).Count);
        Assert.Equal(WordModel.Words.Count - 1, neighbours.Of(model.IdOf("plot"), 1000).Count);
    }

    [Fact]
    public void Of_PieceOrSpecialToken_IsEmpty()
    {
        using var model = new WordModel();
        Assert.Empty(model.Neighbours().Of(model.IdOf("##ing"), 5));
        Assert.Empty(model.Neighbours().Of(model.IdOf("[CLS]"), 5));
    }

    [Fact]
    public void Frequent_AllWords_MostFrequentFirst()
    {
        using var model = new WordModel();
        Assert.Equal(WordModel.Words, model.Neighbours().Frequent.Select(model.Tokenizer.TokenOf));
    }
}
