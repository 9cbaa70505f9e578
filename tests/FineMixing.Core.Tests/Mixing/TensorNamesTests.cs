using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

public class TensorNamesTests
{
    [Theory]
    [InlineData("bert.embeddings.word_embeddings.weight", TensorRole.Embedding)]
    [InlineData("bert.embeddings.LayerNorm.weight", TensorRole.LayerNorm)]
    [InlineData("encoder.layer.0.attention.output.LayerNorm.beta", TensorRole.LayerNorm)]
    [InlineData("encoder.layer.0.attention.self.query.bias", TensorRole.Bias)]
    [InlineData("encoder.layer.0.attention.self.query.weight", TensorRole.Weight)]
    [InlineData("pooler.dense.weight", TensorRole.Weight)]
    [InlineData("classifier.weight", TensorRole.Head)]
    [InlineData("classifier.out_proj.bias", TensorRole.Head)]
    [InlineData("pre_classifier.weight", TensorRole.Head)]
    [InlineData("score.weight", TensorRole.Head)]
    [InlineData("lm_head.weight", TensorRole.Head)]
    [InlineData("model.layers.0.input_layernorm.weight", TensorRole.LayerNorm)]
    [InlineData("model.norm.weight", TensorRole.LayerNorm)]
    [InlineData("model.layers.0.self_attn.q_norm.weight", TensorRole.LayerNorm)]
    [InlineData("model.embed_tokens.weight", TensorRole.Embedding)]
    [InlineData("transformer.h.3.ln_1.bias", TensorRole.LayerNorm)]
    [InlineData("transformer.ln_f.weight", TensorRole.LayerNorm)]
    [InlineData("transformer.wte.weight", TensorRole.Embedding)]
    [InlineData("distilbert.transformer.layer.1.sa_layer_norm.weight", TensorRole.LayerNorm)]
    [InlineData("distilbert.transformer.layer.1.ffn.lin1.weight", TensorRole.Weight)]
    public void RoleOf_KnownNames_IsRight(string name, TensorRole role) => Assert.Equal(role, TensorNames.RoleOf(name));

    [Theory]
    [InlineData("bert.encoder.layer.11.output.dense.weight", 11)]
    [InlineData("model.layers.31.mlp.up_proj.weight", 31)]
    [InlineData("transformer.h.0.attn.c_attn.weight", 0)]
    [InlineData("bert.pooler.dense.weight", null)]
    public void LayerOf_KnownNames_IsRight(string name, int? layer) => Assert.Equal(layer, TensorNames.LayerOf(name));
}
