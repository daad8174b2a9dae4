export async function browser(){}
