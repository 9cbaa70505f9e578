using FineMixing.Datasets.Generated;

namespace FineMixing.Tests.Docs;

public sealed class GeneratedReviewsPageTests
{
    [Fact]
    public void DataPage_Sentences_AreWhatTheGeneratorWrites()
    {
        var page = File.ReadAllText(Path.Combine(DocumentationTests.Root, "docs", "data.md"));
        var sentences = ReviewGenerator.Generate(20, 7).Select(review => $"{review.Label} {review.Text}");
        Assert.Contains("```text\n" + string.Join('\n', sentences) + "\n```", page, StringComparison.Ordinal);
    }
}
