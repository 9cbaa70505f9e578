using System.Text.Json;
using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

public class RatioScheduleTests
{
    private static readonly string[] Bert =
    [
        "bert.embeddings.word_embeddings.weight",
        .. Enumerable.Range(0, 12).Select(l => $"bert.encoder.layer.{l}.output.dense.weight"),
        "bert.pooler.dense.weight",
        "classifier.weight",
    ];

    [Fact]
    public void Resolve_Uniform_GivesEveryTensorTheRatio() =>
        Assert.All(RatioSchedule.Uniform.Resolve(Bert, 0.3).Values, r => Assert.Equal(0.3, r));

    [Fact]
    public void Resolve_ResetTop_ZeroForTheTopLayersAndThePooler()
    {
        var ratios = RatioSchedule.ResetTop(3).Resolve(Bert, 0.8);
        for (var l = 0; l < 12; l++)
            Assert.Equal(l < 9 ? 0.8 : 0, ratios[$"bert.encoder.layer.{l}.output.dense.weight"]);
        Assert.Equal(0, ratios["bert.pooler.dense.weight"]);
        Assert.Equal(0.8, ratios["bert.embeddings.word_embeddings.weight"]);
        Assert.Equal(0.8, ratios["classifier.weight"]);
    }

    [Theory]
    [InlineData("distilbert.transformer.layer.{0}.ffn.lin1.weight")]
    [InlineData("roberta.encoder.layer.{0}.attention.self.key.bias")]
    [InlineData("model.layers.{0}.self_attn.q_proj.weight")]
    [InlineData("transformer.h.{0}.attn.c_attn.weight")]
    public void Resolve_ResetTopOnOtherArchitectures_FindsTheLayers(string format)
    {
        var names = Enumerable.Range(0, 6).Select(l => string.Format(System.Globalization.CultureInfo.InvariantCulture, format, l)).ToList();
        var ratios = RatioSchedule.ResetTop(2).Resolve(names, 0.5);
        Assert.Equal([0.5, 0.5, 0.5, 0.5, 0, 0], names.Select(n => ratios[n]));
    }

    [Theory]
    [InlineData("falling", 0.4)]
    [InlineData("falling", 0.9)]
    [InlineData("falling-steep", 0.4)]
    [InlineData("falling-steep", 0.6)]
    [InlineData("falling-steep", 0.05)]
    [InlineData("falling-steep", 0)]
    [InlineData("falling-steep", 1)]
    public void Resolve_Falling_FallsAndKeepsTheMean(string text, double mean)
    {
        var ratios = RatioSchedule.Parse(text).Resolve(Bert, mean);
        var layers = Enumerable.Range(0, 12).Select(l => ratios[$"bert.encoder.layer.{l}.output.dense.weight"]).ToList();
        Assert.Equal(mean, layers.Average(), 9);
        Assert.All(layers, r => Assert.InRange(r, 0, 1));
        for (var l = 1; l < 12; l++)
            Assert.True(layers[l] <= layers[l - 1]);
        Assert.Equal(layers[0], ratios["bert.embeddings.word_embeddings.weight"]);
        Assert.Equal(layers[11], ratios["bert.pooler.dense.weight"]);
    }

    [Fact]
    public void Resolve_Patterns_FirstMatchDecides()
    {
        var ratios = RatioSchedule.Parse("encoder.layer.[3-5,10].*=0; embeddings.*=0.25; *dense.weight=0.8").Resolve(Bert, 0.5);
        Assert.Equal(0.25, ratios["bert.embeddings.word_embeddings.weight"]);
        for (var l = 0; l < 12; l++)
            Assert.Equal(l is >= 3 and <= 5 or 10 ? 0 : 0.8, ratios[$"bert.encoder.layer.{l}.output.dense.weight"]);
        Assert.Equal(0.5, ratios["classifier.weight"]);
    }

    [Theory]
    [InlineData("uniform")]
    [InlineData("reset-top:3")]
    [InlineData("reset-top:half")]
    [InlineData("falling")]
    [InlineData("falling-steep")]
    [InlineData("encoder.layer.[3-5].*=0;*=0.8")]
    public void Parse_TextForm_RoundTripsThroughTextAndJson(string text)
    {
        var schedule = RatioSchedule.Parse(text);
        Assert.Equal(text, schedule.ToString());
        Assert.Equal(schedule, JsonSerializer.Deserialize<RatioSchedule>(JsonSerializer.Serialize(schedule)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("reset-top:0")]
    [InlineData("reset-top:x")]
    [InlineData("linear")]
    [InlineData("*=1.5")]
    [InlineData("layer.[5-3].*=0.5")]
    [InlineData("layer.[3.*=0.5")]
    public void Parse_NoSchedule_ThrowsWithTheForms(string text)
    {
        var e = Assert.Throws<ArgumentException>(() => RatioSchedule.Parse(text));
        Assert.Contains("reset-top", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_SeveralBadPatterns_ListsAll()
    {
        var e = Assert.Throws<ArgumentException>(() => RatioSchedule.Parse("*=2;oops;a[=0.1"));
        Assert.Contains("'2'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'oops'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'a['", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resolve_PatternThatFitsNoTensor_Throws() =>
        Assert.Contains("fits 'encoder.layers.0.*' or 'head.*'.", Assert.Throws<ArgumentException>(() => RatioSchedule.Parse("encoder.layers.0.*=0;head.*=1;*=0.5").Resolve(Bert, 0.5)).Message, StringComparison.Ordinal);

    [Fact]
    public void Resolve_MoreLayersThanTheModelHas_Throws() =>
        Assert.Contains("12", Assert.Throws<ArgumentException>(() => RatioSchedule.ResetTop(13).Resolve(Bert, 0.5)).Message, StringComparison.Ordinal);
}
