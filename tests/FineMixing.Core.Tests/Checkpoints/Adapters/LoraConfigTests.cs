using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Adapters;

namespace FineMixing.Tests.Checkpoints.Adapters;

public class LoraConfigTests
{
    [Fact]
    public void Read_UsualConfiguration_IsUnderstood()
    {
        var config = Read("""
            {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "lora_only", "fan_in_fan_out": true, "use_rslora": true, "modules_to_save": ["classifier"], "lora_dropout": 0.1,
             "target_modules": ["query"], "use_dora": false, "loftq_config": {}, "layer_replication": null, "init_lora_weights": "gaussian", "an_option_of_tomorrow": null}
            """);
        Assert.Equal((4, 8, LoraBias.LoraOnly, true, true), (config.Rank, config.Alpha, config.Bias, config.FanInFanOut, config.RankStabilized));
        Assert.Equal(["classifier"], config.ModulesToSave);
        Assert.Equal(4, config.ScalingOf("x.query"));
    }

    [Theory]
    [InlineData("""{"peft_type": "LORA", "use_dora": true}""", "'use_dora' is on")]
    [InlineData("""{"peft_type": "LORA", "init_lora_weights": "pissa_niter_16"}""", "'init_lora_weights' is")]
    [InlineData("""{"peft_type": "LORA", "init_lora_weights": "loftq"}""", "'init_lora_weights' is")]
    [InlineData("""{"peft_type": "LORA", "init_lora_weights": "olora"}""", "'init_lora_weights' is")]
    [InlineData("""{"peft_type": "LORA", "loftq_config": {"loftq_bits": 4}}""", "'loftq_config' is")]
    [InlineData("""{"peft_type": "LORA", "layer_replication": [[0, 4]]}""", "'layer_replication' is")]
    [InlineData("""{"peft_type": "LORA", "lora_bias": true}""", "'lora_bias' is")]
    [InlineData("""{"peft_type": "LORA", "alora_invocation_tokens": [1]}""", "'alora_invocation_tokens' is")]
    [InlineData("""{"peft_type": "LORA", "trainable_token_indices": [1]}""", "'trainable_token_indices' is")]
    [InlineData("""{"peft_type": "LORA", "an_option_of_tomorrow": "on"}""", "'an_option_of_tomorrow' is")]
    [InlineData("""{"peft_type": "IA3"}""", "'peft_type' is 'IA3'")]
    [InlineData("""{"r": 4}""", "'peft_type' is missing")]
    [InlineData("""{"peft_type": "LORA", "r": 0}""", "'r' is '0', which is no whole number from 1")]
    [InlineData("""{"peft_type": "LORA", "r": -1}""", "'r' is '-1'")]
    [InlineData("""{"peft_type": "LORA", "r": 4.5}""", "'r' is '4.5'")]
    [InlineData("""{"peft_type": "LORA", "lora_alpha": "8"}""", "'lora_alpha' is")]
    [InlineData("""{"peft_type": "LORA", "lora_alpha": 1e999}""", "'lora_alpha' is")]
    [InlineData("""{"peft_type": "LORA", "lora_alpha": 1e308}""", "'lora_alpha' is")]
    [InlineData("""{"peft_type": "LORA", "alpha_pattern": {"query": 1e999}}""", "'alpha_pattern' is")]
    [InlineData("""{"peft_type": "LORA", "bias": "some"}""", "'bias' is")]
    [InlineData("""{"peft_type": "LORA", "modules_to_save": [1]}""", "'modules_to_save' is")]
    [InlineData("""{"peft_type": "LORA", "rank_pattern": {"q": 0}}""", "'rank_pattern' is")]
    [InlineData("""{"peft_type": "LORA", "rank_pattern": {"(": 1}}""", "'rank_pattern' is")]
    [InlineData("""{"peft_type": "LORA", "rank_pattern": {"(?=q)q": 1}}""", "'rank_pattern' is")]
    [InlineData("""{"peft_type": "LORA", "r": 4, "r": 8}""", "not valid JSON")]
    [InlineData("""[]""", "not an object")]
    [InlineData("""{""", "not valid JSON")]
    [InlineData("", "the file is empty")]
    public void Read_UnsupportedOrDamaged_IsRefusedByName(string json, string message) =>
        Assert.Contains(message, Assert.Throws<CheckpointFormatException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Read_SeveralProblems_AreListedTogether()
    {
        var message = Assert.Throws<CheckpointFormatException>(() => Read("""{"peft_type": "LORA", "use_dora": true, "lora_bias": true}""")).Message;
        Assert.Contains("'use_dora'", message, StringComparison.Ordinal);
        Assert.Contains("'lora_bias'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void RankOf_PatternThatBacktracks_EndsAtOnce()
    {
        var config = Read("""{"peft_type": "LORA", "rank_pattern": {"(x+x+)+y": 2}}""");
        Assert.Equal(8, config.RankOf(new string('x', 10_000)));
    }

    [Fact]
    public void Read_ThousandsOfPatterns_AreRefused()
    {
        var patterns = string.Join(",", Enumerable.Range(0, 5000).Select(i => $"\"a{i}\": 1"));
        Assert.Contains("at most 500", Assert.Throws<CheckpointFormatException>(() => Read($$"""{"peft_type": "LORA", "rank_pattern": { {{patterns}} } }""")).Message, StringComparison.Ordinal);
    }

    private static LoraConfig Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], json);
        return LoraConfig.Read(folder["adapter_config.json"]);
    }
}
