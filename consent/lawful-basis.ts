// The grounds in law on which a training job may be asked for, as the Data Privacy Vocabulary names them. By itself, so that the
// command line can list them without loading what else a job is.
export const LAWFUL_BASES = ["dpv:Consent", "dpv:Contract", "dpv:LegalObligation"] as const;
